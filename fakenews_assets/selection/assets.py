"""Assets and jobs of the group selection."""

import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import dagster as dg

from fakenews_assets.common import markdown
from fakenews_assets.common.assets import asset
from fakenews_assets.common.config import plain_config
from fakenews_assets.common.launching import launcher_of
from fakenews_assets.evaluation.partitions import CANDIDATES
from fakenews_assets.selection.checks import promotion_checks, selection_check_specs, warning_checks
from fakenews_assets.selection.settings import Rollback, SelectionSettings
from fakenews_resources.storage.artifact import Artifact
from fakenews_resources.storage.io_manager import Storage, checked
from fakenews_resources.storage.reported import materialization, tags_of_inputs
from fakenews_resources.storage.sealing import seal_records
from fakenews_resources.tracking.resource import Tracker

if TYPE_CHECKING:
    from fakenews_assets.selection.champion import ChampionRecord
    from fakenews_assets.selection.decision import Decision
    from fakenews_resources.tracking.run import Tracked


@asset(
    deps=[
        "baseline_model",
        "frozen_encoder",
        "finetuned_bert",
        "distilled_bert",
        "pruned_bert",
        "static_model",
        "quantized_bert",
        "ensemble_model",
        "cascade_model",
    ],
    group_name="selection",
    owners=["team:ml"],
    kinds={"polars"},
    code_version="4",
    check_specs=selection_check_specs(),
    pool="training",  # speed is part of the verdict: no training may run beside it
)
@plain_config
def selected_model(
    context: dg.AssetExecutionContext,
    config: SelectionSettings,
    storage: Storage,
    tracker: Tracker,
    splits: Artifact,
    evaluation: dict[str, Artifact],
) -> Iterator[dg.MaterializeResult[Artifact]]:
    """The policy's choice as an immutable bundle, promoted or refused against the champion."""
    from fakenews_assets.registry.bundle import MODEL_CARD_FILE
    from fakenews_assets.registry.champion import RegistryError
    from fakenews_assets.selection import promotion

    store, run_id = storage.store, context.run.run_id
    try:
        selection = promotion.select_candidate(store, evaluation, CANDIDATES, splits, config)
    except ValueError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    storage.read(context, CANDIDATES[selection.choice.winner])
    challenge = promotion.challenge_champion(store, selection, storage.draft().path, config, run_id=run_id)
    with storage.afresh() as afresh:
        checks = promotion_checks(selection, challenge, afresh.bundle(challenge.bundle.sha))
    failed = [
        check.check_name or ""
        for check in checks
        if not check.passed and check.severity == dg.AssetCheckSeverity.ERROR
    ]
    decision = promotion.decide_promotion(selection, challenge, failed)
    tracked, value = tracker.start(context, config), storage.draft()
    decision.write(value.path)
    shutil.copy(challenge.bundle.path / MODEL_CARD_FILE, value.path)
    value.meta["promotes"] = decision.bundle if decision.promoted else None
    checks += warning_checks(selection.winner.candidate.evaluation)
    yield checked(value, checks, _metadata(decision, challenge.bundle.card, tracked))
    # Dagster comes back once the decision is stored. A kill before this line leaves the champion as it was and the
    # decision stale; no kill leaves a champion without its decision, which an audit would take for one moved by hand.
    if decision.promoted:
        try:
            promotion.promote(store, decision, run_id, launcher_of(context.run.tags))
        except RegistryError as error:  # another selection was faster: compare with its champion
            raise dg.RetryRequested(max_retries=1) from error
        promotion.track_champion(tracked, challenge.bundle)
    tracked.finish()


def _metadata(decision: "Decision", card: str, tracked: "Tracked") -> dict[str, Any]:
    from fakenews_assets.selection.card.model_card import how_chosen

    shown = {"candidate": decision.candidate, "bundle": decision.bundle, "promoted": decision.promoted}
    return {
        **shown,
        "reasons": dg.MetadataValue.md(markdown.bullets(decision.reasons)),
        "candidates": dg.MetadataValue.md(how_chosen(decision.choice)),
        "best_candidate": decision.choice.best,
        "left_out": decision.left_out or "none",
        "model_card": dg.MetadataValue.md(card),
        **tracked.show(shown),
    }


@asset(deps=["selected_model"], group_name="selection", owners=["team:ml"], kinds={"json"}, code_version="2")
def champion(context: dg.AssetExecutionContext, storage: Storage) -> dg.MaterializeResult[Artifact]:
    """The registry's pointer, with the decision that chose its bundle. Promotions and rollbacks materialize it, and serving
    reads it."""
    from fakenews_assets.registry.bundle import BundleError
    from fakenews_assets.registry.champion import RegistryError

    storage.read(context, "selected_model")
    seal_records(storage.store.backend)
    try:
        draft, record = _champion_in_force(storage)
    except (RegistryError, BundleError) as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    return dg.MaterializeResult(value=draft, metadata={**record.named, "action": record.pointer.action})


def _champion_in_force(storage: Storage) -> tuple[Artifact, "ChampionRecord"]:
    from fakenews_assets.selection.champion import ChampionRecord

    record = ChampionRecord.in_force(storage.store)
    draft = storage.draft()
    record.write(draft.path)
    draft.meta.update(
        model_id=record.pointer.bundle,
        sequence=record.pointer.sequence,
        candidate=record.candidate,
        model=record.model,
    )
    return draft, record


@dg.op
@plain_config
def move_champion_back(
    context: dg.OpExecutionContext, config: Rollback, storage: Storage, tracker: Tracker
) -> None:
    """Make the previous champion's bundle champion again, and materialize `champion`."""
    from fakenews_assets.registry.bundle import BundleError, open_bundle
    from fakenews_assets.registry.champion import ChampionRegistry, RegistryError
    from fakenews_assets.selection.promotion import track_champion

    registry = ChampionRegistry(storage.store.bundles)
    try:
        pointer = registry.rollback(
            reason=config.reason,
            run_id=context.run_id,
            promoted_by=config.promoted_by,
            launched_by=launcher_of(context.run.tags),
        )
    except (RegistryError, BundleError) as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    _materialize_champion(context, storage)
    tracked = tracker.start(context, config)
    track_champion(tracked, open_bundle(registry.backend.fetch(pointer.bundle)))
    context.add_output_metadata({"champion": pointer.bundle, "reason": pointer.reason, **tracked.finish()})


def _materialize_champion(context: dg.OpExecutionContext, storage: Storage) -> None:
    """What a run of the asset `champion` stores and reports: an op has no output that is one."""
    store, key = storage.store, champion.key
    draft, record = _champion_in_force(storage)
    decided = "selected_model"
    stored = store.commit(
        key.to_user_string(),
        draft,
        run_id=context.run_id,
        code_version=champion.code_versions_by_key[key],
        upstream={decided: store.current(decided).version} if store.exists(decided) else {},
    )
    inputs = tags_of_inputs(context.instance, [dg.AssetKey(decided)])
    metadata = {**record.named, "action": record.pointer.action}
    context.log_event(materialization(key, stored, inputs=inputs, metadata=metadata))


@dg.job(description="Roll back to the previous champion. Requires a reason.")
def rollback_champion() -> None:
    """Roll back to the previous champion."""
    move_champion_back()
