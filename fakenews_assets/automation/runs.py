"""Queries about runs, for sensors and commands: which are in progress, which were requested before, why one failed."""

import os
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import dagster as dg
from dagster_shared.error import SerializableErrorInfo

SENSOR_SECONDS: Final = int(os.environ.get("FAKENEWS_SENSOR_SECONDS", "30"))
"""Seconds between two ticks of a sensor, at least."""

_FAILURE: Final = f"{dg.Failure.__module__}.{dg.Failure.__qualname__}: "
"""What Dagster puts before the description of a `dagster.Failure` outside a step."""

IN_PROGRESS: Final = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
"""Statuses of runs that are at work or wait for their turn."""


def runs_in_progress(
    instance: dg.DagsterInstance, repository: dg.RepositoryDefinition, location: str | None
) -> list[dg.DagsterRun]:
    """The runs of this code location that are at work or wait for their turn.

    Args:
        instance: may serve other projects too.
        repository: this graph.
        location: name of the code location; None: unknown, and a run belongs here if its job does.
    """

    def is_ours(run: dg.DagsterRun) -> bool:
        if run.remote_job_origin and location:
            return run.remote_job_origin.location_name == location
        return repository.has_job(run.job_name)

    return [run for run in instance.get_runs(dg.RunsFilter(statuses=IN_PROGRESS)) if is_ours(run)]


def run_in_progress(context: dg.SensorEvaluationContext) -> str | None:
    """A sentence about a run of this code location that is at work or waits for its turn; None where there is none."""
    assert context.repository_def is not None
    origin = context.code_location_origin
    location = origin.location_name if origin else None
    running = runs_in_progress(context.instance, context.repository_def, location)
    return f"Run {running[0].run_id[:8]} of {running[0].job_name} is in progress." if running else None


def requested_run(instance: dg.DagsterInstance, run_key: str | None) -> dg.DagsterRun | None:
    """The newest run with this key, whatever became of it."""
    found = instance.get_runs(dg.RunsFilter(tags={"dagster/run_key": run_key or ""}), limit=1)
    return found[0] if found else None


def was_requested(instance: dg.DagsterInstance, run_key: str | None) -> bool:
    """Whether a run with this key exists, whatever became of it."""
    return requested_run(instance, run_key) is not None


def failed_steps(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    """The steps that failed in a run. In this project a step is named for its asset."""
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.STEP_FAILURE).records
    return [record.event_log_entry.step_key or "" for record in records]


def failure_reasons(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    """Why a run failed: a line for each blocking check that failed and for each other failed step, else one on the run.

    A step's line is the description of its `dagster.Failure`, or the message of the root exception.
    """
    records = instance.get_records_for_run(
        run_id,
        of_type={
            dg.DagsterEventType.ASSET_CHECK_EVALUATION,
            dg.DagsterEventType.STEP_FAILURE,
            dg.DagsterEventType.RUN_FAILURE,
        },
    ).records
    events = [record.event_log_entry.get_dagster_event() for record in records]
    refused = _failed_blocking_checks(events)
    of_steps, of_run = [], "no reason recorded"
    for event in events:
        if event.event_type == dg.DagsterEventType.STEP_FAILURE:
            step, data = event.step_key or "", event.step_failure_data
            told = data.user_failure_data.description if data.user_failure_data else None
            of_steps += refused.get(step) or [f"{step}: {told or _root_message(data.error)}"]
        elif event.event_type == dg.DagsterEventType.RUN_FAILURE:
            data = event.job_failure_data
            # None of a run that died without a word: then only the event says what happened.
            of_run = _root_message(data.error) if data and data.error else event.message or of_run
    return of_steps or [of_run]


def _failed_blocking_checks(events: Sequence[dg.DagsterEvent]) -> dict[str, list[str]]:
    """A line for each, by the step that made it."""
    lines = defaultdict(list)
    for event in events:
        if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            check = event.asset_check_evaluation_data
            if check.blocking and not check.passed and check.severity == dg.AssetCheckSeverity.ERROR:
                name = f"check {check.check_name} of {check.asset_key.to_user_string()}"
                lines[event.step_key or ""].append(f"{name}: {check.description or 'failed'}")
    return lines


def _root_message(error: SerializableErrorInfo | None) -> str:
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip().removeprefix(_FAILURE) if error else "no reason recorded"
