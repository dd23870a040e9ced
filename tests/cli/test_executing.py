"""How a command executes a run: in its own process, or through Dagster's daemon."""

import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import EngineEventData
from dagster._daemon.types import DaemonHeartbeat
from rich.console import Console

from fakenews_assets.cli.errors import CommandFailed
from fakenews_assets.cli.executing import Request, end_lost_runs, execute
from fakenews_assets.cli.steps import Steps, shown_steps
from fakenews_resources.launcher import HOST_TAG
from fakenews_resources.storage.io_manager import STORAGE_TAG, Storage
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.runs


@dg.asset
def quick() -> None: ...


@dg.asset
def interrupted() -> None:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(5)


GRAPH = dg.Definitions(
    [quick, interrupted], jobs=[dg.define_asset_job("work", "*")], executor=dg.in_process_executor
)

_INTERRUPTED = """
import dagster as dg
from rich.console import Console
from tests.cli.test_executing import execute, request_of, shown_steps

with dg.DagsterInstance.get() as instance:
    execute(instance, request_of("interrupted"), "/store", shown_steps(Console(quiet=True), ["interrupted"]))
"""


@pytest.fixture
def instance(project: Path) -> Iterator[dg.DagsterInstance]:
    shutil.copy(REPOSITORY / "workspace.yaml", project)
    with dg.DagsterInstance.get() as instance:
        yield instance


@pytest.fixture
def daemon(instance: dg.DagsterInstance) -> None:
    """A daemon that launches nothing."""
    instance.add_daemon_heartbeat(DaemonHeartbeat(time.time(), "QUEUED_RUN_COORDINATOR", "1"))


@pytest.fixture
def shown() -> Steps:
    return shown_steps(Console(quiet=True), ["quick", "interrupted"])


def request_of(name: str) -> Request:
    return Request(GRAPH.resolve_job_def("work"), frozenset({dg.AssetKey(name)}), None, {})


def test_without_a_daemon_a_run_executes_here_and_dagster_can_execute_it_again(
    instance: dg.DagsterInstance, shown: Steps
) -> None:
    run = execute(instance, request_of("quick"), "/store", shown)
    assert run.is_success
    assert run.tags[HOST_TAG] == platform.node()
    assert run.tags["dagster/max_retries"] == "0"
    assert run.remote_job_origin is not None
    assert run.remote_job_origin.location_name == "fakenews"
    assert instance.get_latest_materialization_event(quick.key) is not None


def test_an_interrupt_cancels_the_run(instance: dg.DagsterInstance) -> None:
    # In a process of its own, as commands are: this one holds whatever other tests have loaded.
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    subprocess.run([sys.executable, "-c", _INTERRUPTED], check=True, env=environment)
    assert [run.status for run in instance.get_runs()] == [dg.DagsterRunStatus.CANCELED]


@pytest.mark.usefixtures("daemon")
def test_with_a_daemon_a_run_is_submitted_and_an_interrupt_cancels_it(
    instance: dg.DagsterInstance, shown: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: float) -> None:
        (queued,) = instance.get_runs()
        assert queued.status == dg.DagsterRunStatus.QUEUED
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupt)
    run = execute(instance, request_of("quick"), "/store", shown)
    assert run.status == dg.DagsterRunStatus.CANCELED
    assert run.tags[STORAGE_TAG] == "/store"
    assert HOST_TAG not in run.tags


@pytest.mark.usefixtures("daemon")
def test_a_daemon_that_stops_leaves_no_run_in_the_queue(
    instance: dg.DagsterInstance, shown: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(_: float) -> None:
        instance.add_daemon_heartbeat(DaemonHeartbeat(time.time() - 3600, "QUEUED_RUN_COORDINATOR", "1"))

    monkeypatch.setattr(time, "sleep", stop)
    with pytest.raises(CommandFailed, match="daemon has stopped"):
        execute(instance, request_of("quick"), "/store", shown)
    assert [run.status for run in instance.get_runs()] == [dg.DagsterRunStatus.CANCELED]


def test_a_daemon_with_another_storage_refuses_the_run(tmp_path: Path) -> None:
    @dg.asset(required_resource_keys={"storage"})
    def stored() -> None: ...

    def stores(meant: str) -> bool:
        resources = {"storage": Storage(root=str(tmp_path))}
        return dg.materialize(
            [stored], resources=resources, tags={STORAGE_TAG: meant}, raise_on_error=False
        ).success

    assert stores(str(tmp_path))
    assert not stores("gs://bucket/store")


def test_runs_of_killed_processes_are_ended_as_what_they_were(instance: dg.DagsterInstance) -> None:
    job, tags = GRAPH.resolve_job_def("work"), {HOST_TAG: platform.node()}
    ends = {}
    for status, end in (
        (dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.FAILURE),
        (dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.CANCELED),
    ):
        run = instance.create_run_for_job(job, tags=tags, status=status)
        instance.report_engine_event("Started process", run, EngineEventData.in_process(2**22 + 1))
        ends[run.run_id] = end
    alive = instance.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus.STARTED)
    instance.report_engine_event("Started process", alive, EngineEventData.in_process(os.getpid()))
    end_lost_runs(instance)
    ends[alive.run_id] = dg.DagsterRunStatus.STARTED
    assert {run.run_id: run.status for run in instance.get_runs()} == ends
