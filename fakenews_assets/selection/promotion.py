"""Selects a candidate, compares it with the champion, and decides on its promotion."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl

from fakenews_assets.common.progress import report
from fakenews_assets.evaluation.metrics.agreement import Agreement, ask_again
from fakenews_assets.evaluation.reports.leaderboard import evaluated_on
from fakenews_assets.models.calibration import CalibratedClassifier
from fakenews_assets.models.predictions import articles_of, predict_table
from fakenews_assets.registry.bundle import Bundle, BundleMissing, load_bundled, open_bundle
from fakenews_assets.registry.champion import ChampionRegistry
from fakenews_assets.selection.bundling import bundle_winner
from fakenews_assets.selection.candidates import EligibleCandidate, eligible_candidates
from fakenews_assets.selection.decision import Decision
from fakenews_assets.selection.gate import Contender, GateDecision, gate
from fakenews_assets.selection.policy import Choice, choose
from fakenews_assets.selection.settings import SelectionPolicy
from fakenews_assets.selection.timing import Speeds, compare_speeds
from fakenews_resources.storage.store import Artifact, Store
from fakenews_resources.storage.tombstones import Tombstones

if TYPE_CHECKING:
    from fakenews_resources.tracking.run import Tracked

REFERENCE: Final = "finetuned"
"""The candidate that every variant must be faster than."""

_CHAMPION: Final = "champion"
_TIMED_ARTICLES: Final = 512
_TRACKED_MODEL: Final = "fakenews-champion"
_TRACKED_FIELDS: Final = {
    "candidate",
    "encoder",
    "runtime",
    "calibration",
    "data_versions",
    "git_commit",
}


@dataclass(frozen=True)
class Selection:
    """The policy's choice among the candidates that were evaluated on the same splits."""

    choice: Choice
    eligible: Mapping[str, EligibleCandidate]
    """By name."""
    left_out: Mapping[str, str]
    """Why other evaluations were not eligible, by candidate."""
    splits: Artifact

    @property
    def winner(self) -> EligibleCandidate:
        """The chosen candidate."""
        return self.eligible[self.choice.winner]

    def predictions(self, candidate: str) -> pl.DataFrame:
        """The stored predictions of a candidate, a table of `PREDICTION_SCHEMA`."""
        return self.eligible[candidate].candidate.predictions


@dataclass(frozen=True)
class Challenge:
    """The chosen candidate as a bundle, compared with the champion."""

    bundle: Bundle
    champion: str | None
    """Sha of the champion's bundle; None: there is none."""
    speeds: Speeds
    """Of the candidate, of `REFERENCE` and of the champion."""
    agreement: Agreement
    """The bundled model's predictions, compared with the stored ones."""
    gate: GateDecision


def select_candidate(
    store: Store,
    evaluations: Mapping[str, Artifact],
    models: Mapping[str, str],
    splits: Artifact,
    policy: SelectionPolicy,
) -> Selection:
    """Apply the policy to the candidates whose model and evaluation belong to the current splits.

    Args:
        store: where they are stored.
        evaluations: by candidate; those on other splits do not count.
        models: store key of each candidate's model.
        splits: the current ones.
        policy: the limits.

    Raises:
        ValueError: no candidate is good enough, or they cannot be compared; see `choose` and `evaluated_on`.
    """
    eligible, left_out = eligible_candidates(store, evaluated_on(splits, evaluations), models, splits)
    clusters = splits.scan("test").select("cluster_id").collect()["cluster_id"]
    choice = choose([one.candidate for one in eligible.values()], policy, clusters)
    return Selection(choice, eligible, left_out, splits)


def challenge_champion(store: Store, selection: Selection, draft: Path, *, run_id: str) -> Challenge:
    """Bundle the chosen candidate and compare it with the champion on the test split.

    Args:
        store: receives the bundle, and holds the champion's.
        selection: which candidate was chosen.
        draft: an empty folder of the store.
        run_id: for the record beside the bundle.
    """
    choice, test = selection.choice, selection.splits.scan("test").collect()
    note = selection.splits.meta["data_note"]
    sha = bundle_winner(store, draft, selection.eligible, choice, note, run_id=run_id)
    bundle = open_bundle(store.bundle(sha))
    pointer = ChampionRegistry(store.bundles).champion()
    champion_bundle = open_bundle(store.bundle(pointer.bundle)) if pointer else None
    contenders = {choice.winner: load_bundled(bundle)}
    if choice.winner != REFERENCE and (reference := selection.eligible.get(REFERENCE)):
        contenders[REFERENCE] = CalibratedClassifier.load(
            reference.model.path, reference.evaluation.path, REFERENCE
        )
    if champion_bundle:
        contenders[_CHAMPION] = load_bundled(champion_bundle)
    report(unit="articles", note="comparing speeds")
    timed = test.sample(min(_TIMED_ARTICLES, len(test)), seed=choice.policy.seed)
    speeds = compare_speeds(contenders, articles_of(timed))

    stored = selection.predictions(choice.winner)
    erased = list(Tombstones(store).read().erased)
    left = ~test["article_id"].is_in(erased)  # nobody can be asked of the others
    agreement = ask_again(contenders[choice.winner], choice.winner, stored.filter(left), test.filter(left))
    champion, speed, earlier = None, None, []
    if champion_bundle:
        answers = predict_table(contenders[_CHAMPION], test)
        champion = _contender(champion_bundle, answers)
        speed = speeds.ratio(choice.winner, _CHAMPION)
        earlier = _earlier_champions(store, {champion_bundle.sha, sha}, choice.policy.anchors, test)
    challenger = _contender(bundle, stored)
    verdict = gate(challenger, champion, choice.policy, test["cluster_id"], speed=speed, earlier=earlier)
    return Challenge(bundle, champion_bundle.sha if champion_bundle else None, speeds, agreement, verdict)


def _earlier_champions(store: Store, others: set[str], most: int, test: pl.DataFrame) -> list[Contender]:
    """The latest champions beside `others` whose bundles are still stored, with their answers to the test articles."""
    shas = dict.fromkeys(one.bundle for one in reversed(ChampionRegistry(store.bundles).history()))
    found: list[Contender] = []
    for sha in shas:
        if sha not in others and len(found) < most:
            with suppress(BundleMissing):
                bundle = open_bundle(store.bundle(sha))
                found.append(_contender(bundle, predict_table(load_bundled(bundle), test)))
    return found


def _contender(bundle: Bundle, predictions: pl.DataFrame) -> Contender:
    return Contender(bundle.sha, bundle.model_files, bundle.answer_files, predictions)


def decide_promotion(
    selection: Selection, challenge: Challenge, failed_checks: Sequence[str] = ()
) -> Decision:
    """Promote the chosen candidate if it passed the gate and every check.

    Args:
        selection: which candidate was chosen.
        challenge: how it compares with the champion.
        failed_checks: names of the blocking checks that it failed.
    """
    promoted = challenge.gate.promote and not failed_checks
    sha, champion = challenge.bundle.sha, challenge.champion
    return Decision(
        bundle=sha,
        candidate=selection.choice.winner,
        promoted=promoted,
        reasons=(*(f"check {name} failed" for name in failed_checks), *challenge.gate.reasons),
        champion=sha if promoted else champion,
        replaced=champion if promoted else None,
        choice=selection.choice,
        gate=challenge.gate,
        articles_per_second=challenge.speeds.rows_per_second,
        left_out=dict(selection.left_out),
    )


def promote(store: Store, decision: Decision, run_id: str | None) -> None:
    """Make the chosen bundle the champion, if the champion is still the one that it was compared with.

    Raises:
        RegistryError: it is not; see `ChampionRegistry.promote`.
    """
    ChampionRegistry(store.bundles).promote(
        decision.bundle,
        expected=decision.replaced,
        reason=decision.reason,
        run_id=run_id,
        promoted_by="selected_model",
    )


def track_champion(tracked: "Tracked", bundle: Bundle) -> None:
    """Add a bundle that has just become champion to Weights & Biases.

    The alias `champion` moves to it; the start of its sha stays its own alias.
    """
    tracked.model(
        _TRACKED_MODEL,
        bundle.path,
        aliases=("champion", bundle.sha[:12]),
        metadata={
            "bundle": bundle.sha,
            **bundle.manifest.model_dump(mode="json", include=_TRACKED_FIELDS),
        },
    )
