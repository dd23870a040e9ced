"""The selection group: the fastest candidate that is good enough, and its way to the champion's place."""

import json
from collections.abc import Iterator

import dagster as dg
import polars as pl
from pydantic import Field

from fakenews_assets.common.progress import report
from fakenews_assets.evaluation.assets import judged_on
from fakenews_assets.evaluation.partitions import CANDIDATES
from fakenews_assets.selection.checks import (
    behaves,
    bundle_is_complete,
    selection_check_specs,
    stands,
    variant_is_faster,
    variant_keeps_quality,
)
from fakenews_assets.selection.settings import SelectionPolicy
from fakenews_resources.storage.io_manager import Storage, checked
from fakenews_resources.storage.store import Artifact
from fakenews_resources.storage.tombstones import Tombstones
from fakenews_resources.tracking.resource import Tracker

REFERENCE = "finetuned"
"""What every variant has to be faster than: the fine-tuned model itself."""

_TIMED_ARTICLES = 512


class SelectionConfig(dg.Config, SelectionPolicy):
    """Which candidate wins, and when it replaces the champion."""


@dg.asset(
    deps=["baseline_model", "finetuned_bert", "distilled_bert", "pruned_bert", "quantized_bert"],
    group_name="selection",
    owners=["team:ml"],
    kinds={"polars"},
    code_version="3",
    check_specs=selection_check_specs(),
    # Speed is part of the verdict: no training may run beside it.
    pool="training",
)
def selected_model(
    context: dg.AssetExecutionContext,
    config: SelectionConfig,
    storage: Storage,
    tracker: Tracker,
    splits: Artifact,
    evaluation: dict[str, Artifact],
) -> Iterator[dg.MaterializeResult[Artifact]]:
    """The policy's choice as an immutable bundle, promoted or refused against the champion. Refusing is a result too."""
    from fakenews_assets.evaluation.metrics.agreement import ask_again
    from fakenews_assets.evaluation.reports.reporting import PREDICTIONS_FILE
    from fakenews_assets.models.articles import articles_of
    from fakenews_assets.models.calibration import CalibratedClassifier
    from fakenews_assets.models.predictions import predict_table
    from fakenews_assets.registry.bundle import load_bundled, open_bundle, write_bundle
    from fakenews_assets.registry.champion import ChampionRegistry, RegistryError
    from fakenews_assets.selection.gate import Contender, gate
    from fakenews_assets.selection.policy import choose
    from fakenews_assets.selection.selecting import eligible_candidates, fill_bundle
    from fakenews_assets.selection.timing import compare_speeds
    from fakenews_assets.selection.tracking import track_champion

    policy = SelectionPolicy.model_validate(config.model_dump())
    store = storage.store
    test = splits.scan("test").collect()
    eligible, left_out = eligible_candidates(store, judged_on(splits, evaluation), CANDIDATES, splits)
    by_name = {one.candidate.name: one for one in eligible}
    try:
        choice = choose([one.candidate for one in eligible], policy, test["cluster_id"])
    except ValueError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    winner = by_name[choice.winner]
    storage.read(context, CANDIDATES[choice.winner])

    bundles = store.bundles
    draft = storage.draft().path
    manifest = fill_bundle(draft, store, eligible, choice, splits.meta["data_note"])
    sha = write_bundle(draft, bundles, manifest, run_id=context.run.run_id)

    registry = ChampionRegistry(bundles)
    pointer = registry.champion()
    champion = open_bundle(store.bundle(pointer.bundle)) if pointer else None
    bundle = open_bundle(store.bundle(sha))
    contenders = {choice.winner: load_bundled(bundle)}
    if REFERENCE in by_name and choice.winner != REFERENCE:
        reference = by_name[REFERENCE]
        contenders[REFERENCE] = CalibratedClassifier.load(
            reference.model.path, reference.evaluation.path, REFERENCE
        )
    if champion is not None:
        contenders["champion"] = load_bundled(champion)
    report("selected_model", 0, None, "comparing speeds")
    speeds = compare_speeds(
        contenders, articles_of(test.sample(min(_TIMED_ARTICLES, len(test)), seed=policy.seed))
    )

    answers = {
        name: pl.read_parquet(by_name[name].evaluation.path / PREDICTIONS_FILE)
        for name in {choice.best, choice.winner}
    }
    erased = list(Tombstones(store).read().erased)
    left = ~test["article_id"].is_in(erased)  # nobody can be asked of the others
    asked = ask_again(
        contenders[choice.winner], choice.winner, answers[choice.winner].filter(left), test.filter(left)
    )
    with storage.afresh() as afresh:
        complete = bundle_is_complete(afresh.bundle(sha))
    checks = [
        variant_is_faster(choice.winner, speeds, REFERENCE),
        variant_keeps_quality(
            choice, answers[choice.best], answers[choice.winner], asked, test["cluster_id"]
        ),
        complete,
    ]
    decision = gate(
        Contender(sha, winner.candidate.predictions, speeds[choice.winner]),
        Contender(champion.sha, predict_table(contenders["champion"], test), speeds["champion"])
        if champion
        else None,
        policy,
        test["cluster_id"],
    )
    failed = [check.check_name for check in checks if not check.passed]
    promoted = decision.promote and not failed
    reasons = [*(f"check {name} failed" for name in failed), *decision.reasons]
    tracked = tracker.start(context, policy)
    value = storage.draft()
    value.meta["promotes"] = sha if promoted else None
    card = (bundle.path / "model_card.md").read_text(encoding="utf-8")
    (value.path / "model_card.md").write_text(card, encoding="utf-8")
    (value.path / "decision.json").write_text(
        json.dumps(
            {
                "bundle": sha,
                "candidate": choice.winner,
                "promoted": promoted,
                "reasons": reasons,
                "champion": sha if promoted else (champion.sha if champion else None),
                "replaced": champion.sha if promoted and champion else None,
                "choice": choice.model_dump(mode="json"),
                "gate": decision.model_dump(mode="json"),
                "articles_per_second": speeds,
                "left_out": left_out,
            },
            indent=2,
        )
    )
    yield checked(
        value,
        [*checks, *behaves(winner.candidate.evaluation), *stands(winner.candidate.evaluation)],
        {
            "candidate": choice.winner,
            "bundle": sha,
            "promoted": promoted,
            "reasons": dg.MetadataValue.md("\n".join(f"- {reason}" for reason in reasons)),
            "best_candidate": choice.best,
            "left_out": left_out,
            "model_card": dg.MetadataValue.md(card),
            **tracked.show({"candidate": choice.winner, "bundle": sha, "promoted": promoted}),
        },
    )
    # Dagster comes back once the decision is stored. A kill before this line leaves the champion as it was and the
    # decision stale; no kill leaves a champion without its decision, which an audit would take for one moved by hand.
    if promoted:
        try:
            registry.promote(
                sha,
                expected=champion.sha if champion else None,
                reason="; ".join(reasons),
                run_id=context.run.run_id,
                promoted_by="selected_model",
            )
        except RegistryError as error:  # another selection was faster: compare with its champion
            raise dg.RetryRequested(max_retries=1) from error
        track_champion(tracked, bundle)
    tracked.finish()


class RollbackConfig(dg.Config):
    """Why the champion goes."""

    reason: str = Field(min_length=3, description="Kept in the champion's history, for those who will ask.")
    promoted_by: str = Field(default="rollback_champion", description="Who asks for it.")


@dg.op
def move_champion_back(
    context: dg.OpExecutionContext, config: RollbackConfig, storage: Storage, tracker: Tracker
) -> None:
    """Put the bundle in force that the champion replaced."""
    from fakenews_assets.registry.bundle import BundleError, open_bundle
    from fakenews_assets.registry.champion import ChampionRegistry, RegistryError
    from fakenews_assets.selection.tracking import track_champion

    registry = ChampionRegistry(storage.store.bundles)
    try:
        pointer = registry.rollback(
            reason=config.reason, run_id=context.run_id, promoted_by=config.promoted_by
        )
    except (RegistryError, BundleError) as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    tracked = tracker.start(context, config)
    track_champion(tracked, open_bundle(registry.backend.fetch(pointer.bundle)))
    context.add_output_metadata({"champion": pointer.bundle, "reason": pointer.reason, **tracked.finish()})


@dg.job(description="Roll back: make the bundle champion that the present one replaced. Give a reason.")
def rollback_champion() -> None:
    """Roll back to the champion before."""
    move_champion_back()
