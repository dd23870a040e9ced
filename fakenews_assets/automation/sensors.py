"""What follows a training, and a new champion, without a hand."""

import hashlib
from collections.abc import Iterator

import dagster as dg

from fakenews_assets.automation import jobs
from fakenews_assets.automation.following import Outdated, outdated_values
from fakenews_assets.automation.runs import SENSOR_SECONDS, assets_of, run_in_progress, was_requested
from fakenews_resources.storage.io_manager import Storage

_JOB_OF = {
    "distilled_bert": jobs.distill_student.name,
    "pruned_bert": jobs.prune_encoder.name,
    "quantized_bert": jobs.quantize_model.name,
    "evaluation": jobs.evaluate_candidate.name,
    "leaderboard": jobs.compare_candidates.name,
    "selected_model": jobs.select_champion.name,
}


@dg.sensor(
    jobs=[job for job in jobs.all_jobs if job.name in _JOB_OF.values()],
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=min(10, SENSOR_SECONDS),
)
def follow_up(
    context: dg.SensorEvaluationContext, storage: Storage
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """After a training: keep up to date what is made of the model, judge every candidate, compare, select.

    It asks the store which versions each value was made of. A variant is made anew only if it was made before;
    evaluations, leaderboard and selection follow by themselves. One value at a time, and never twice for the
    same inputs: what failed waits for a person.
    """
    busy = run_in_progress(context.instance)
    if busy:
        yield dg.SkipReason(busy)
        return
    waiting = outdated_values(assets_of(context), storage.store)
    for value in waiting:
        request = follow_up_request(value)
        if not was_requested(context.instance, request.run_key):
            yield request
            return
    failed = ", ".join(value.key for value in waiting)
    yield dg.SkipReason(
        f"Tried already with the same inputs, see their runs: {failed}."
        if failed
        else "Everything is up to date."
    )


def follow_up_request(value: Outdated) -> dg.RunRequest:
    """The run that makes a value anew, as it was made before."""
    config = {"ops": {value.asset: {"config": value.config}}} if value.config else {}
    identity = hashlib.sha256("\n".join([value.key, *value.made_of]).encode()).hexdigest()[:16]
    return dg.RunRequest(
        run_key=f"{value.key}:{identity}",
        job_name=_JOB_OF[value.asset],
        partition_key=value.partition,
        run_config=config,
    )


@dg.sensor(
    job=jobs.build_bento,
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=SENSOR_SECONDS,
)
def champion_changed(context: dg.SensorEvaluationContext, storage: Storage) -> dg.RunRequest | dg.SkipReason:
    """Another champion, promoted or put back: build its bento and its container's context.

    A running service needs no build: it takes over the new champion by itself.
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
    if was_requested(context.instance, request.run_key):
        return dg.SkipReason(f"The build for {pointer.bundle[:12]} was tried already; see its run.")
    return request
