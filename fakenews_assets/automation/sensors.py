"""Sensors: what starts runs without a hand."""

import hashlib
from collections.abc import Iterator

import dagster as dg

from fakenews_assets.automation import jobs
from fakenews_assets.automation.following import Outdated, outdated_values
from fakenews_resources.storage import Storage

_IN_PROGRESS = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]

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
    minimum_interval_seconds=30,
)
def follow_up(
    context: dg.SensorEvaluationContext, storage: Storage
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """After a training: keep up to date what is made of the model, judge every candidate, compare, select.

    It asks the store which versions each value was made of. A variant is made anew only if it was made before;
    evaluations, leaderboard and selection follow by themselves. One value at a time, and never twice for the
    same inputs: what failed waits for a person.
    """
    running = context.instance.get_runs(dg.RunsFilter(statuses=_IN_PROGRESS), limit=1)
    if running:
        yield dg.SkipReason(f"Run {running[0].run_id[:8]} of {running[0].job_name} is in progress.")
        return
    assert context.repository_def is not None
    graph = context.repository_def.asset_graph
    assets = {key.to_user_string(): graph.get(key).assets_def for key in graph.get_all_asset_keys()}
    waiting = outdated_values(assets, storage.store)
    for value in waiting:
        request = _request(value)
        if not context.instance.get_runs(
            dg.RunsFilter(tags={"dagster/run_key": request.run_key or ""}), limit=1
        ):
            yield request
            return
    failed = ", ".join(value.key for value in waiting)
    yield dg.SkipReason(
        f"Tried already with the same inputs, see their runs: {failed}."
        if failed
        else "Everything is up to date."
    )


def _request(value: Outdated) -> dg.RunRequest:
    config = {"ops": {value.asset: {"config": value.config}}} if value.config else {}
    identity = hashlib.sha256("\n".join([value.key, *value.made_of]).encode()).hexdigest()[:16]
    return dg.RunRequest(
        run_key=f"{value.key}:{identity}",
        job_name=_JOB_OF[value.asset],
        partition_key=value.partition,
        run_config=config,
    )
