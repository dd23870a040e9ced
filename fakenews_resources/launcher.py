"""A run launcher that can say of every run whether its process is alive, and end it.

Dagster's run monitoring asks it, so that a run whose process or machine died is marked as failed and started again.
"""

import json
import os
import platform
import signal
from collections.abc import Mapping
from typing import Final

import dagster as dg
import psutil
from dagster import DefaultRunLauncher
from dagster._core.errors import DagsterLaunchFailedError, DagsterUserCodeUnreachableError
from dagster._core.events import EngineEventData
from dagster._core.launcher.base import CheckRunHealthResult, LaunchRunContext, WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG, MAX_RETRIES_TAG
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
from dagster._serdes import deserialize_value
from typing_extensions import override

HOST_TAG: Final = "fakenews/host"
"""The machine of a run that executes in the process of a `fakenews` command."""

SHUTS_DOWN: Final = "Tried to start a run on a server after telling it to shut down"
"""What Dagster's code server says while it waits for the end of its runs, to be replaced."""
_CLOCK_SECONDS: Final = 2
"""How much later than its first event a process may seem to have begun."""


class WatchedRunLauncher(DefaultRunLauncher):
    """Launches runs on the code server, as Dagster does by default, and checks whether they are alive.

    A run of this machine is alive while its process is. Any other is asked of its code server, which `dagster api grpc`
    has to be: `dagster code-server start` forgets its runs when it loads the code again.
    """

    @property
    @override
    def supports_check_run_worker_health(self) -> bool:
        return True

    @override
    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        lost = why_lost(self._instance, run)
        return CheckRunHealthResult(WorkerStatus.FAILED if lost else WorkerStatus.RUNNING, lost)

    @override
    def launch_run(self, context: LaunchRunContext) -> None:
        run = context.dagster_run
        if HOST_TAG in run.tags:  # the re-execution of a command's run: no person waits for it at a terminal
            retries = str(self._instance.run_retries_max_retries)
            self._instance.add_run_tags(run.run_id, {MAX_RETRIES_TAG: retries})
        try:
            super().launch_run(context)
        except DagsterLaunchFailedError as error:
            if SHUTS_DOWN not in str(error):
                raise
            # This the queue repeats; the other would fail the run for ever.
            raise DagsterUserCodeUnreachableError(str(error)) from error

    @override
    def terminate(self, run_id: str) -> bool:
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished or GRPC_INFO_TAG in run.tags or not _is_here(run):
            return super().terminate(run_id)
        process = _process_of(self._instance, run)
        if process is None:
            return False
        self._instance.report_run_canceling(run)
        process.send_signal(signal.SIGINT)
        return True


def is_of_command(run: dg.DagsterRun) -> bool:
    """Whether a command executes a run itself. A re-execution of it has the tag too, but a code server executes it."""
    return HOST_TAG in run.tags and GRPC_INFO_TAG not in run.tags


def executes_here(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Record that this process executes a run, which has the tag `HOST_TAG`."""
    number = os.getpid()
    instance.report_engine_event(
        f"The command executes this run (pid: {number}).", run, EngineEventData.in_process(number)
    )


def why_lost(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str | None:
    """Why nothing executes a started run any longer; None if something does, or if that cannot be told from here."""
    if _is_here(run):
        return None if _process_of(instance, run) else "The process that executed this run was killed."
    server = run.tags.get(GRPC_INFO_TAG)
    return _why_not_on_server(run.run_id, json.loads(server)) if server else None


def _is_here(run: dg.DagsterRun) -> bool:
    """Whether a run executes on this machine."""
    if server := run.tags.get(GRPC_INFO_TAG):
        address = json.loads(server)
        return "socket" in address or address["host"] in ("localhost", "127.0.0.1")
    return run.tags.get(HOST_TAG) == platform.node()


def _process_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> psutil.Process | None:
    """The process that executes a run of this machine; None if it has ended."""
    for entry in reversed(instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)):
        number = entry.get_dagster_event().engine_event_data.metadata.get("pid")
        if number is not None:
            return _living(int(str(number.value)), entry.timestamp)
    return None


def _living(number: int, seen: float) -> psutil.Process | None:
    try:
        process = psutil.Process(number)
        # A number is used again.
        is_it = process.create_time() <= seen + _CLOCK_SECONDS and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return None
    return process if is_it else None


def _why_not_on_server(run_id: str, server: Mapping[str, object]) -> str | None:
    from dagster._grpc.client import DagsterGrpcClient

    client = DagsterGrpcClient(**server)  # pyright: ignore[reportArgumentType]
    request = CanCancelExecutionRequest(run_id=run_id)
    try:
        answer = deserialize_value(client.can_cancel_execution(request), CanCancelExecutionResult)
    except DagsterUserCodeUnreachableError:  # it starts again at the same address
        return None
    return None if answer.can_cancel else "The code server that executed this run has started again."
