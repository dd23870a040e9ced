"""Selects a candidate, compares it with the champion, and decides on its promotion."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl

from fakenews_assets.common.progress import report
from fakenews_assets.data.splits.splitting import seen_rows, unseen_rows
from fakenews_assets.evaluation.metrics.agreement import Agreement, ask_again
from fakenews_assets.evaluation.reports.leaderboard import evaluated_on
from fakenews_assets.evaluation.unseen.parity import Parity
from fakenews_assets.models.calibration import CalibratedClassifier
from fakenews_assets.models.predictions import articles_of, predict_table
from fakenews_assets.registry.bundle import Bundle, BundleMissing, load_bundled, open_bundle
from fakenews_assets.registry.champion import ChampionRegistry
from fakenews_assets.selection.bundling import bundle_winner
from fakenews_assets.selection.candidates import EligibleCandidate, eligible_candidates
from fakenews_assets.selection.decision import Decision
from fakenews_assets.selection.gate import Contender, GateDecision, gate
from fakenews_assets.selection.policy import Choice, choose
from fakenews_assets.selection.settings import CardSettings, SelectionPolicy
from fakenews_assets.selection.timing import Speeds, compare_speeds
from fakenews_resources.storage.artifact import Artifact
from fakenews_resources.storage.store import Store
from fakenews_resources.storage.tombstones import Tombstones

if TYPE_CHECKING:
    from fakenews_resources.tracking.run import Tracked

REFERENCE: Final = "finetuned"
"""The candidate that every variant must be faster than."""

_CHAMPION: Final = "champion"
_TIMED_ARTICLES: Final = 512
_PROBED_ARTICLES: Final = 200
"""Articles, at least, that the new bundle is asked of. An audit asks of all."""
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
    """The policy's choice among the candidates that were evaluated on the same splits.

    Nothing here reads the test split, which is reported alone.
    """

    choice: Choice
    eligible: Mapping[str, EligibleCandidate]
    """By name."""
    left_out: Mapping[str, str]
    """Why other evaluations were not eligible, by candidate."""
    splits: Artifact
    speeds: Speeds
    """Of the candidates that are good enough, of `REFERENCE` and of the champion, in one session."""
    champion: Bundle | None
    """The champion's bundle when the speeds were measured; None: there is none."""

    @property
    def winner(self) -> EligibleCandidate:
        """The chosen candidate."""
        return self.eligible[self.choice.winner]


@dataclass(frozen=True)
class Challenge:
    """The chosen candidate as a bundle, compared with the champion."""

    bundle: Bundle
    champion: str | None
    """Sha of the champion's bundle; None: there is none."""
    agreement: Agreement
    """The bundled model's predictions, compared with the stored ones."""
    parity: Parity | None
    """Error rates by group on the selection split; None: too few groups are known."""
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
    seen, unseen = (rows(splits, "selection").collect() for rows in (seen_rows, unseen_rows))
    pointer = ChampionRegistry(store.bundles).champion()
    champion = open_bundle(store.bundle(pointer.bundle)) if pointer else None
    session = []

    def measure_speeds(names: Sequence[str]) -> Speeds:
        timed = {
            name: CalibratedClassifier.load(eligible[name].model.path, eligible[name].evaluation.path, name)
            for name in dict.fromkeys([*names, REFERENCE])
            if name in eligible
        }
        if champion is not None:
            timed[_CHAMPION] = load_bundled(champion)
        report(unit="articles", note="comparing speeds")
        articles = seen.sample(min(_TIMED_ARTICLES, len(seen)), seed=policy.seed)
        session.append(compare_speeds(timed, articles_of(articles)))
        return session[0]

    choice = choose(
        [one.candidate for one in eligible.values()],
        policy,
        seen["cluster_id"],
        unseen=unseen,
        measure_speeds=measure_speeds,
    )
    return Selection(choice, eligible, left_out, splits, session[0], champion)


def challenge_champion(
    store: Store, selection: Selection, draft: Path, card: CardSettings, *, run_id: str
) -> Challenge:
    """Bundle the chosen candidate and compare it with the champion on the selection split.

    Args:
        store: receives the bundle, and holds the champion's.
        selection: which candidate was chosen.
        draft: an empty folder of the store.
        card: for the model card.
        run_id: for the record beside the bundle.
    """
    choice = selection.choice
    seen, unseen = (rows(selection.splits, "selection").collect() for rows in (seen_rows, unseen_rows))
    note = selection.splits.meta["data_note"]
    sha = bundle_winner(store, draft, selection.eligible, choice, note, card, run_id=run_id)
    bundle, champion = open_bundle(store.bundle(sha)), selection.champion

    chosen = selection.winner.candidate
    articles, stored = pl.concat([seen, unseen]), pl.concat([chosen.predictions, chosen.unseen])
    erased = list(Tombstones(store).read().erased)
    left = ~articles["article_id"].is_in(erased)  # nobody can be asked of the others
    step = max(int(left.sum()) // _PROBED_ARTICLES, 1)
    probed = [table.filter(left).gather_every(step) for table in (stored, articles)]
    agreement = ask_again(load_bundled(bundle), choice.winner, *probed)
    policy = choice.policy
    parity = Parity.of(
        articles.with_columns(stored["predicted_label"]),
        resamples=policy.resamples,
        level=policy.significance_level,
        seed=policy.seed,
    )
    old, speed, earlier = None, None, []
    if champion is not None:
        old = _contender(champion, seen, unseen)
        speed = selection.speeds.ratio(choice.winner, _CHAMPION)
        earlier = _earlier_champions(store, {champion.sha, sha}, policy.anchors, seen, unseen)
    challenger = Contender(sha, bundle.model_files, bundle.answer_files, chosen.predictions, chosen.unseen)
    verdict = gate(challenger, old, policy, seen["cluster_id"], unseen=unseen, speed=speed, earlier=earlier)
    return Challenge(bundle, champion.sha if champion else None, agreement, parity, verdict)


def _earlier_champions(
    store: Store, others: set[str], most: int, seen: pl.DataFrame, unseen: pl.DataFrame
) -> list[Contender]:
    """The latest champions beside `others` whose bundles are still stored, with their answers to the articles."""
    shas = dict.fromkeys(one.bundle for one in reversed(ChampionRegistry(store.bundles).history()))
    found: list[Contender] = []
    for sha in shas:
        if sha not in others and len(found) < most:
            with suppress(BundleMissing):
                found.append(_contender(open_bundle(store.bundle(sha)), seen, unseen))
    return found


def _contender(bundle: Bundle, seen: pl.DataFrame, unseen: pl.DataFrame) -> Contender:
    model = load_bundled(bundle)
    answers = (predict_table(model, articles) for articles in (seen, unseen))
    return Contender(bundle.sha, bundle.model_files, bundle.answer_files, *answers)


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
        articles_per_second=selection.speeds.rows_per_second,
        left_out=dict(selection.left_out),
    )


def promote(store: Store, decision: Decision, run_id: str | None, launched_by: str | None = None) -> None:
    """Make the chosen bundle the champion, if the champion is still the one that it was compared with.

    Args:
        store: the graph's values.
        decision: what was decided.
        run_id: the run that decided, if any.
        launched_by: who or what launched that run.

    Raises:
        RegistryError: it is not; see `ChampionRegistry.promote`.
    """
    ChampionRegistry(store.bundles).promote(
        decision.bundle,
        expected=decision.replaced,
        reason=decision.reason,
        run_id=run_id,
        promoted_by="selected_model",
        launched_by=launched_by,
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
