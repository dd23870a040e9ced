"""Executes runs for commands: through Dagster's daemon where one runs, else in the command's own process."""

import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import dagster as dg
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._core.events import RunFailureReason
from dagster._core.execution.api import execute_run
from dagster._core.remote_origin import CodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.workspace.load_target import WorkspaceFileTarget

from fakenews_assets.cli.errors import CommandFailed
from fakenews_assets.cli.steps import Steps
from fakenews_assets.common import progress
from fakenews_assets.common.launching import USER_TAG, current_user
from fakenews_resources.launcher import HOST_TAG, executes_here, why_lost
from fakenews_resources.project import find_project
from fakenews_resources.storage.io_manager import STORAGE_TAG

_MODULE: Final = "fakenews_assets.definitions"
_HEARTBEAT_SECONDS: Final = 90
"""A daemon tells the instance every 30 seconds that it runs."""
_POLL_SECONDS: Final = 0.5
_INTERRUPTED: Final = RunFailureReason.UNEXPECTED_TERMINATION


@dataclass(frozen=True)
class Request:
    """A run that a command asks for."""

    job: dg.JobDefinition
    selection: frozenset[dg.AssetKey]
    partition: str | None
    config: Mapping[str, Any]
    """Configuration by name of asset."""


def code_location() -> CodeLocationOrigin | None:
    """The code location of the project's workspace.yaml; None if there is no such file."""
    project = find_project()
    file = (project or Path.cwd()) / "workspace.yaml"
    return WorkspaceFileTarget([str(file)]).create_origins()[0] if file.is_file() else None


def daemon_runs(instance: dg.DagsterInstance) -> bool:
    """Whether a daemon launches the runs of this instance."""
    heartbeat = instance.get_daemon_heartbeats().get("QUEUED_RUN_COORDINATOR")
    return heartbeat is not None and time.time() - heartbeat.timestamp < _HEARTBEAT_SECONDS


def end_lost_runs(instance: dg.DagsterInstance) -> None:
    """End the runs whose process was killed; left open, they would hold their place in a pool for ever."""
    open_ones = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
    for run in instance.get_runs(dg.RunsFilter(statuses=open_ones)):
        reason = why_lost(instance, run)
        if reason:
            end = instance.report_run_canceled if run.status == open_ones[1] else instance.report_run_failed
            end(run, reason)
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)


def execute(instance: dg.DagsterInstance, request: Request, storage: str, steps: Steps) -> dg.DagsterRun:
    """Execute a run and show its steps.

    Args:
        instance: where it is recorded.
        request: the run.
        storage: address of the storage that the command reads; a daemon with another one refuses the run.
        steps: shows what happens.

    Returns:
        The run as it ended. An interrupt (Ctrl+C) ends it as canceled.

    Raises:
        CommandFailed: the daemon stopped before it launched the run, which is then canceled.
    """
    origin, user = code_location(), {USER_TAG: current_user()}
    if origin and daemon_runs(instance):
        run = _created(instance, request, origin, {**user, STORAGE_TAG: storage}, {})
        instance.submit_run(run.run_id, None)  # pyright: ignore[reportArgumentType]  # the queue looks at no workspace
        return _followed(instance, run.run_id, steps)
    # Dagster would start a lost run again by itself, but the person at the terminal is there to do it.
    tags = {**user, HOST_TAG: platform.node(), "dagster/max_retries": "0"}
    loggers = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    run = _created(instance, request, origin, tags, loggers)
    executes_here(instance, run)
    with steps.following(instance, run.run_id), progress.listening(steps.show):
        execute_run(InMemoryJob(request.job), run, instance)
    return _marked_if_interrupted(instance, run)


def was_interrupted(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether an interrupt ended a run that executed in this process."""
    failures = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.RUN_FAILURE).records
    events = [record.event_log_entry.get_dagster_event() for record in failures]
    return any(event.job_failure_data.failure_reason == _INTERRUPTED for event in events)


def _created(
    instance: dg.DagsterInstance,
    request: Request,
    origin: CodeLocationOrigin | None,
    tags: Mapping[str, str],
    more_config: Mapping[str, Any],
) -> dg.DagsterRun:
    """A recorded run. With an origin, it can be launched and re-executed by Dagster."""
    job = request.job
    partition = {"dagster/partition": request.partition} if request.partition else {}
    code = ReconstructableRepository.for_module(_MODULE, "defs").get_reconstructable_job(job.name)
    return instance.create_run_for_job(
        job,
        run_config={
            "ops": {name: {"config": dict(values)} for name, values in request.config.items()},
            **more_config,
        },
        tags={**job.run_tags, **partition, **tags},
        asset_selection=request.selection,
        remote_job_origin=RemoteRepositoryOrigin(origin, "__repository__").get_job_origin(job.name)
        if origin
        else None,
        job_code_origin=code.get_python_origin(),
    )


def _followed(instance: dg.DagsterInstance, run_id: str, steps: Steps) -> dg.DagsterRun:
    """Show a submitted run until it ends. An interrupt cancels it, and another one leaves it alone."""
    try:
        return _until_it_ends(instance, run_id, steps)
    except KeyboardInterrupt:
        instance.run_coordinator.cancel_run(run_id)
        return _until_it_ends(instance, run_id, steps)


def _until_it_ends(instance: dg.DagsterInstance, run_id: str, steps: Steps) -> dg.DagsterRun:
    cursor: str | None = None
    while True:
        run = instance.get_run_by_id(run_id)
        assert run is not None
        found = instance.get_records_for_run(run_id, cursor=cursor)
        cursor = found.cursor
        for record in found.records:
            steps.mark(record.event_log_entry)
        if run.is_finished:
            return run
        if run.status == dg.DagsterRunStatus.QUEUED and not daemon_runs(instance):
            instance.run_coordinator.cancel_run(run_id)
            raise CommandFailed(
                "Dagster's daemon has stopped. Run the same command again to go on without it."
            )
        time.sleep(_POLL_SECONDS)


def _marked_if_interrupted(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRun:
    """The run as it ended. Dagster takes an interrupt for a failure, unless its own UI has asked for it."""
    if was_interrupted(instance, run.run_id):
        instance.report_run_canceled(run, "The command was interrupted.")
    ended = instance.get_run_by_id(run.run_id)
    assert ended is not None
    return ended
