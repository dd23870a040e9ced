"""Which runs are still alive, for run monitoring, and how one of a command is ended."""

import inspect
import json
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.errors import DagsterLaunchFailedError, DagsterUserCodeUnreachableError
from dagster._core.events import EngineEventData
from dagster._core.launcher.base import LaunchRunContext
from dagster._grpc import server

from fakenews_resources.launcher import HOST_TAG, SHUTS_DOWN, WatchedRunLauncher, executes_here, why_lost

SERVED = {".dagster/grpc_info": json.dumps({"host": "localhost", "socket": "/nowhere"})}
OF_A_COMMAND = {HOST_TAG: platform.node()}
KILLED = "The process that executed this run was killed."


@dg.job
def work() -> None: ...


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    launcher = {"module": "fakenews_resources.launcher", "class": "WatchedRunLauncher"}
    retries = {"enabled": True, "max_retries": 3}
    with dg.instance_for_test(overrides={"run_launcher": launcher, "run_retries": retries}) as instance:
        yield instance


@pytest.fixture
def other() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def started(instance: dg.DagsterInstance, tags: dict[str, str], pid: int | None = None) -> dg.DagsterRun:
    run = instance.create_run_for_job(work, tags=tags, status=dg.DagsterRunStatus.STARTED)
    if pid is not None:
        instance.report_engine_event("Started process", run, EngineEventData.in_process(pid))
    return run


@pytest.mark.parametrize("tags", [SERVED, OF_A_COMMAND], ids=["server", "command"])
def test_a_run_is_alive_as_long_as_its_process(
    instance: dg.DagsterInstance, other: subprocess.Popen[bytes], tags: dict[str, str]
) -> None:
    run = started(instance, tags, other.pid)
    assert why_lost(instance, run) is None
    other.kill()
    other.wait()
    assert why_lost(instance, run) == KILLED


def test_a_process_number_that_is_used_again_is_another_process(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = started(instance, OF_A_COMMAND)
    executes_here(instance, run)
    assert why_lost(instance, run) is None
    monkeypatch.setattr("psutil.Process.create_time", lambda _: float("inf"))
    assert why_lost(instance, run) == KILLED


def test_nothing_is_known_of_other_machines(instance: dg.DagsterInstance) -> None:
    unreachable = {".dagster/grpc_info": json.dumps({"host": "code.invalid", "port": 1})}
    for tags in ({HOST_TAG: "elsewhere"}, {}, unreachable):
        assert why_lost(instance, started(instance, tags)) is None


def test_run_monitoring_asks_the_launcher(instance: dg.DagsterInstance) -> None:
    launcher = instance.run_launcher
    assert isinstance(launcher, WatchedRunLauncher)
    assert launcher.supports_check_run_worker_health
    assert str(launcher.check_run_worker_health(started(instance, SERVED))) == f"FAILED: '{KILLED}'"


def test_a_command_s_run_that_is_executed_again_is_retried_as_any_other(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched: list[str] = []
    monkeypatch.setattr(
        dg.DefaultRunLauncher, "launch_run", lambda _, context: launched.append(context.dagster_run.run_id)
    )
    for tags, retries in (({**OF_A_COMMAND, "dagster/max_retries": "0"}, "3"), ({}, None)):
        run = instance.create_run_for_job(work, tags=tags)
        instance.run_launcher.launch_run(LaunchRunContext(run, None))
        found = instance.get_run_by_id(run.run_id)
        assert found is not None
        assert found.tags.get("dagster/max_retries") == retries
        assert launched.pop() == run.run_id


@pytest.mark.parametrize(
    ("said", "error"),
    [(SHUTS_DOWN, DagsterUserCodeUnreachableError), ("no such job", DagsterLaunchFailedError)],
)
def test_a_code_server_that_is_about_to_end_is_asked_again(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, said: str, error: type[Exception]
) -> None:
    """The queue repeats what is unreachable. Else the run had failed for ever, since nobody retries what never started."""
    assert SHUTS_DOWN in inspect.getsource(server)

    def refuse(*_: object) -> None:
        raise DagsterLaunchFailedError(said)

    monkeypatch.setattr(dg.DefaultRunLauncher, "launch_run", refuse)
    with pytest.raises(error, match=said):
        instance.run_launcher.launch_run(LaunchRunContext(instance.create_run_for_job(work), None))


def test_terminating_the_run_of_a_command_interrupts_it(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = started(instance, OF_A_COMMAND, os.getpid())
    with pytest.raises(KeyboardInterrupt):
        assert instance.run_launcher.terminate(run.run_id)
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    assert found.status == dg.DagsterRunStatus.CANCELING
    monkeypatch.setattr(platform, "node", lambda: "elsewhere")
    assert not instance.run_launcher.terminate(run.run_id)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
