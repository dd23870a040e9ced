"""Sensors that refresh what is downstream of a training, and of a new champion."""

import hashlib
from collections.abc import Iterator

import dagster as dg

from fakenews_assets.automation.downstream import StaleValue, older_than_code, stale_values
from fakenews_assets.automation.jobs import REFRESH_JOBS, build_bento
from fakenews_assets.automation.limits import gone_batches, new_batches
from fakenews_assets.automation.order import GraphOrder
from fakenews_assets.automation.runs import SENSOR_SECONDS, requested_run, run_in_progress, was_requested
from fakenews_assets.data.partitions import corpus_batches, note_on_unregistered, some_of
from fakenews_resources.storage.inventory import Inventory
from fakenews_resources.storage.io_manager import Storage
from fakenews_resources.storage.store import Store


@dg.sensor(
    jobs=REFRESH_JOBS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=min(10, SENSOR_SECONDS),
    description="After a training, remakes its stale variants, then evaluations, selection and leaderboard.",
)
def refresh_downstream(
    context: dg.SensorEvaluationContext, storage: Storage
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """After a training, refresh its variants, then the evaluations, the selection and the leaderboard.

    It compares the versions that each value was made of with those in the store. A variant is refreshed only if it
    was made before, and with the same configuration. One run at a time, and one for each combination of inputs: what
    failed is left to a person.
    """
    busy = run_in_progress(context)
    if busy:
        yield dg.SkipReason(busy)
        return
    inventory = inventory_of(context, storage.store)
    order = GraphOrder(inventory.repository)
    requests = requests_downstream(order, inventory)
    for request in requests.values():
        if not was_requested(context.instance, request.run_key):
            yield request
            return
    if requests:
        yield dg.SkipReason(f"Already tried with the same inputs; see the runs of: {', '.join(requests)}.")
        return
    yield dg.SkipReason(_why_nothing(order, inventory))


def _why_nothing(order: GraphOrder, inventory: Inventory) -> str:
    """What is outdated all the same, and what makes it again; else that nothing is."""
    batches = corpus_batches(inventory.store, inventory.instance)
    older = older_than_code(order, inventory.store, batches)
    new, gone = new_batches(inventory.store, batches), gone_batches(inventory.store, batches)
    waiting = [
        f"Made by an earlier version of the code: {', '.join(older)}. Materialize them, or launch the job `retrain`."
        if older
        else "",
        f"{len(new):,} new {'batches wait' if len(new) > 1 else 'batch waits'} for the next training: see new_rows_sensor."
        if new
        else "",
        f"{some_of(sorted(gone))} left the corpus since the last training; the next one does without."
        if gone
        else "",
        note_on_unregistered(inventory.store, inventory.instance) if gone else "",
    ]
    said = " ".join(filter(None, waiting))
    return f"Nothing is outdated since the last training. {said}" if said else "Everything is up to date."


def requests_downstream(order: GraphOrder, inventory: Inventory) -> dict[str, dg.RunRequest]:
    """A run for each stale value downstream of a training whose inputs are up to date, in order, by store key."""
    return {stale.value.key: _request(order, stale) for stale in stale_values(order, inventory)}


def inventory_of(context: dg.SensorEvaluationContext, store: Store) -> Inventory:
    """What exists in the store for the instance and the code location of a sensor."""
    assert context.repository_def is not None
    return Inventory(store, context.repository_def, context.instance)


def _request(order: GraphOrder, stale: StaleValue) -> dg.RunRequest:
    value = stale.value
    identity = hashlib.sha256("\n".join([value.key, *stale.made_of]).encode()).hexdigest()[:16]
    return dg.RunRequest(
        run_key=f"{value.key}:{identity}",
        job_name=order.job_of[value.asset],
        asset_selection=[dg.AssetKey(name) for name in order.rest_of_job(value.asset)],
        partition_key=value.partition,
        run_config={"ops": {value.asset: {"config": stale.config}}} if stale.config else {},
    )


@dg.sensor(
    job=build_bento,
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=SENSOR_SECONDS,
    description="Builds the champion's bento and container context after a promotion or a rollback.",
)
def champion_changed(context: dg.SensorEvaluationContext, storage: Storage) -> dg.RunRequest | dg.SkipReason:
    """After a promotion or a rollback, build the champion's bento and its container's context.

    A running service needs no build: it loads the new champion by itself.
    """
    from fakenews_assets.registry.champion import ChampionRegistry

    pointer = ChampionRegistry(storage.store.bundles).champion()
    if pointer is None:
        return dg.SkipReason("There is no champion yet.")
    store = storage.store
    if store.exists("fakenews_bento") and store.current("fakenews_bento").meta["model_id"] == pointer.bundle:
        return dg.SkipReason(f"The bento holds the champion, {pointer.bundle[:12]}.")
    # The sequence too: a champion that comes back by a rollback is built again.
    request = dg.RunRequest(run_key=f"bento:{pointer.sequence}:{pointer.bundle}")
    earlier = requested_run(context.instance, request.run_key)
    if earlier is None:
        return request
    if not earlier.is_finished:
        return dg.SkipReason(f"Run {earlier.run_id[:8]} builds the bento of {pointer.bundle[:12]}.")
    return dg.SkipReason(f"Already tried to build the bento of {pointer.bundle[:12]}; see its run.")
