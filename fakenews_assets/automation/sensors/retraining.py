"""Sensors that start a retraining: on drift, on too many abstentions, on a drop in quality, or once there are enough new articles."""

import hashlib
import textwrap
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from fakenews_assets.automation.jobs import retrain
from fakenews_assets.automation.limits import RetrainSettings, distinct_rows, new_rows, unmet_limits
from fakenews_assets.automation.order import GraphOrder
from fakenews_assets.automation.runs import SENSOR_SECONDS, run_in_progress, was_requested
from fakenews_assets.automation.sensors.refresh import inventory_of, requests_downstream
from fakenews_assets.automation.triggers import last_findings
from fakenews_assets.data.partitions import corpus_batches, note_on_unregistered
from fakenews_resources.storage.io_manager import Storage
from fakenews_resources.storage.store import Store

TRIGGER_TAG = "fakenews/trigger"

_TAG_CHARACTERS = 60
"""More would make the run's row in the UI several lines high. The tick's log has the whole reason."""


@dg.sensor(
    job=retrain,
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=SENSOR_SECONDS,
    description="Retrains after drift, too many abstentions or a drop in quality, within the limits of FAKENEWS_RETRAIN_...",
)
def drift_sensor(context: dg.SensorEvaluationContext, storage: Storage) -> dg.RunRequest | dg.SkipReason:
    """Retrain when the last reports show drift, too many abstentions or a drop in the champion's quality.

    Limited by `RetrainSettings` (FAKENEWS_RETRAIN_...); a skip says which limits are not met.
    """
    from fakenews_assets.registry.champion import ChampionRegistry

    settings = RetrainSettings()
    champion = ChampionRegistry(storage.store.bundles).champion()
    if champion is None:
        return dg.SkipReason("There is no champion yet.")
    findings = last_findings(storage.store, champion.bundle)
    triggers = [finding for finding in findings if finding.triggered]
    if not triggers:
        said = " ".join(finding.text for finding in findings)
        return dg.SkipReason(f"No trigger. {said or 'There is no report yet: run `fakenews report`.'}")
    reason = " ".join(trigger.text for trigger in triggers)
    return _retrain_within_limits(
        context, storage.store, "drift", reason, settings, settings.min_new_rows_on_trigger
    )


@dg.sensor(
    job=retrain,
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=SENSOR_SECONDS,
    description="Retrains after enough new labelled articles, within the limits of FAKENEWS_RETRAIN_...",
)
def new_rows_sensor(context: dg.SensorEvaluationContext, storage: Storage) -> dg.RunRequest | dg.SkipReason:
    """Retrain when there are enough labelled articles that the last training did not have.

    Limited by `RetrainSettings`, as `drift_sensor` is.
    """
    settings = RetrainSettings()
    return _retrain_within_limits(
        context, storage.store, "new rows", "New articles.", settings, settings.min_new_rows
    )


def _retrain_within_limits(
    context: dg.SensorEvaluationContext,
    store: Store,
    trigger: str,
    reason: str,
    settings: RetrainSettings,
    needed: int,
) -> dg.RunRequest | dg.SkipReason:
    batches = corpus_batches(store, context.instance)
    fresh = new_rows(store, batches)
    # Repeats would train nothing; only now, since their ids are read.
    rows = fresh.rows if fresh.rows < needed else distinct_rows(store, batches)
    now = datetime.now(UTC)
    earlier = context.instance.get_run_records(
        dg.RunsFilter(job_name=retrain.name, created_after=now - settings.remembered)
    )
    started = [record.create_timestamp.astimezone(UTC) for record in earlier]
    unmet = unmet_limits(now, started, rows, needed, settings)
    if unmet:
        note = note_on_unregistered(store, context.instance)
        return dg.SkipReason(f"{reason} No retraining: {'; '.join(unmet)}. {note or ''}".rstrip())
    # Last, since these take longest: one retraining at a time, and each has to reach the gate before the next starts.
    busy = run_in_progress(context) or _unfinished(context, store)
    if busy:
        return dg.SkipReason(f"{reason} Waiting to retrain: {busy}")
    # Whatever the trigger: what failed on the same articles would fail again.
    run_key = f"retrain:{_digest(fresh.batches)}"
    if was_requested(context.instance, run_key):
        return dg.SkipReason(
            f"{reason} Already retrained on the same articles; see that run. Launch the job `retrain` to repeat it."
        )
    context.log.info(f"{reason} Retraining.")
    return dg.RunRequest(
        run_key=run_key,
        run_config=_run_config(store, settings),
        tags={
            TRIGGER_TAG: trigger,
            "fakenews/reason": textwrap.shorten(reason, _TAG_CHARACTERS, placeholder="…"),
            "fakenews/new_batches": str(len(fresh.batches)),
        },
    )


def _digest(batches: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(batches).encode()).hexdigest()[:16]


def _unfinished(context: dg.SensorEvaluationContext, store: Store) -> str | None:
    """What `refresh_downstream` still has to make of the last training, failed attempts aside."""
    inventory = inventory_of(context, store)
    pending = [
        key
        for key, request in requests_downstream(GraphOrder(inventory.repository), inventory).items()
        if not was_requested(context.instance, request.run_key)
    ]
    return f"{', '.join(pending)} of the last training are still to be made." if pending else None


def _run_config(store: Store, settings: RetrainSettings) -> dict[str, Any]:
    """The last training's configuration, except for the weights that it starts from."""
    assets = ("article_clusters", "baseline_model", "finetuned_bert")
    config: dict[str, dict[str, Any]] = {
        name: dict(record.config)
        for name in assets
        if store.exists(name) and (record := store.current(name).record)
    }
    training = config.get("finetuned_bert", {})
    config["finetuned_bert"] = {
        **training,
        "warm_start": _warm_start(store, training) if settings.warm_start else "",
    }
    return {"ops": {name: {"config": values} for name, values in config.items() if values}}


def _warm_start(store: Store, training: Mapping[str, Any]) -> str:
    """The champion's bundle, if it was fine-tuned from the same encoder; else empty."""
    from fakenews_assets.registry.bundle import open_bundle
    from fakenews_assets.registry.champion import ChampionRegistry

    pointer = ChampionRegistry(store.bundles).champion()
    if pointer is None or not training:
        return ""
    manifest = open_bundle(store.bundle(pointer.bundle)).manifest
    return pointer.bundle if manifest.finetuned_from == training["encoder"]["name"] else ""
