"""The retraining loop with a real daemon and a real service: no hand in between, and nothing twice."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import httpx
import numpy as np
import polars as pl
import pytest

from fakenews_assets.monitoring.drift.verdict import DriftVerdict
from fakenews_assets.registry.champion import ChampionRegistry, Pointer
from fakenews_assets.selection.decision import Decision
from fakenews_resources import processes
from fakenews_resources.news.sample import SampleSpec, generate
from fakenews_resources.storage.store import Store
from tests.support.forked import fakenews, start, wait
from tests.support.servers import serve
from tests.support.watched import Watched

REPOSITORY = Path(__file__).parents[2]
SUPPORT = REPOSITORY / "tests" / "support"
PATIENCE = 420
"""Seconds for a whole turn of the loop. It takes about a fifth of that on an idle machine."""

_DAEMON = """
from dagster._daemon import controller, sensor
from dagster._daemon.cli import main

# Dagster looks at sensors every five seconds, and starts a new code server every minute.
sensor.MIN_INTERVAL_LOOP_TIME = 1
controller.RELOAD_WORKSPACE_INTERVAL = 3600
"""
_KILLED_AFTER_THE_PARTITION = """
import os, signal

add_partitions = sensor._handle_dynamic_partitions_requests

def add_partitions_and_die(*args):
    add_partitions(*args)
    os.kill(os.getpid(), signal.SIGKILL)

sensor._handle_dynamic_partitions_requests = add_partitions_and_die
"""


class Loop:
    """A project folder under a daemon."""

    def __init__(self, project: Path, instance: dg.DagsterInstance) -> None:
        self.project = project
        self.instance = instance
        self.landing = project / "landing"
        self.landing.mkdir()
        self.store = Store(project / ".fakenews")
        self.environment = os.environ | {
            "DAGSTER_HOME": str(project),
            "PYTHONPATH": str(SUPPORT / "lean"),
            # A busy machine may take longer than a minute to begin a run.
            "DAGSTER_GRPC_TIMEOUT_SECONDS": "300",
            "FAKENEWS_STORAGE": str(self.store.root),
            "FAKENEWS_LANDING": str(self.landing),
            "FAKENEWS_LANDING_SETTLE_SECONDS": "1",
            "FAKENEWS_SENSOR_SECONDS": "6",
            "FAKENEWS_RETRAIN_COOLDOWN_HOURS": "0",
            "FAKENEWS_RETRAIN_MAX_PER_WEEK": "5",
            "FAKENEWS_RETRAIN_MIN_NEW_ROWS": "3000",
            "FAKENEWS_RETRAIN_MIN_NEW_ROWS_ON_TRIGGER": "300",
            # The champion here is a bag of words, which holds no encoder to go on from.
            "FAKENEWS_RETRAIN_WARM_START": "false",
        }

    @contextmanager
    def daemon(self, changes: str = "") -> Iterator[subprocess.Popen[bytes]]:
        """Dagster's daemon, with everything that it starts, until the block ends.

        Args:
            changes: code that changes it before it begins.
        """
        command = [
            sys.executable,
            "-c",
            f"{_DAEMON}{changes}main()",
            "run",
            "-w",
            str(REPOSITORY / "workspace.yaml"),
        ]
        with (self.project / "daemon.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=self.project,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield process
            if process.poll() is None:
                self.wait("rest", lambda: all(run.is_finished for run in self.instance.get_runs()))
        finally:
            processes.end(process, grace=10)

    def fakenews(self, *arguments: str) -> None:
        process = start(fakenews, *arguments, environment=self.environment, output=self.project / "printed")
        assert wait(process) == 0, (self.project / "printed").read_text()

    def land(self, name: str, frame: pl.DataFrame) -> None:
        aside = self.landing / f".{name}"
        frame.write_csv(aside)
        aside.rename(self.landing / name)

    def champion(self) -> Pointer:
        pointer = ChampionRegistry(self.store.bundles.root).champion()
        assert pointer is not None
        return pointer

    def runs(self, job: str) -> list[dg.DagsterRun]:
        return list(self.instance.get_runs(dg.RunsFilter(job_name=job)))

    def last_tick(self, sensor: str) -> str:
        """What a sensor said last, for people."""
        for state in self.instance.all_instigator_state():
            if state.name == sensor:
                # A sensor has a state before its first tick.
                for tick in self.instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1):
                    return tick.skip_reason or str(tick.error or tick.status)
        return ""

    def decision(self) -> Decision:
        return Decision.read(self.store.current("selected_model").path)

    def wait(self, what: str, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                said = {
                    name: self.last_tick(name)
                    for name in ("new_batch_sensor", "drift_sensor", "new_rows_sensor", "refresh_downstream")
                }
                tail = (self.project / "daemon.log").read_text(errors="replace")[-3000:]
                pytest.fail(f"no {what} in {PATIENCE} s; {said}\n{tail}")
            time.sleep(0.5)


def articles(rows: int, *, seed: int, era: int = 0, labels: Mapping[str, str] | None = None) -> pl.DataFrame:
    frame = pl.concat(generate(SampleSpec(rows=rows, seed=seed, era=era)))
    return frame.with_columns(pl.col("label").replace(labels)) if labels else frame


@pytest.fixture
def loop(watched: Watched) -> Iterator[Loop]:
    """A champion trained on one batch of era 0, as `fakenews ingest --train` makes it."""
    with dg.DagsterInstance.get() as instance:
        yield Loop(watched.root, instance)


@pytest.mark.longest
def test_the_world_changes_and_the_service_follows(loop: Loop) -> None:
    first = loop.champion()
    loop.environment["PYTHONPATH"] = str(SUPPORT / "forking")  # there will be many runs
    environment = {
        "FAKENEWS_LOG": str(loop.store.root / "service_log"),
        "FAKENEWS_LOG_CONTENT": "text",
    }
    with serve(loop.project, loop.store.bundles.root, environment) as service:
        # People ask about another era, and a report says so.
        loop.fakenews("simulate-drift", "--url", service.url, "--rows", "600")
        loop.fakenews("report")
        day = max(loop.store.partitions("drift_report"))
        verdict = DriftVerdict.read(loop.store.current(f"drift_report/{day}").path)
        assert verdict.drifted is True

        with loop.daemon():
            # No labelled articles of the new era: retraining would change nothing.
            loop.wait(
                "reason to wait",
                lambda: "0 of 300 new labelled articles" in loop.last_tick("drift_sensor"),
            )

            # They come. One is half-written for a while.
            (loop.landing / "half.csv.part").write_text("title,label\nSenate pa")
            loop.land("era-3.csv", articles(3000, seed=8, era=3))
            loop.wait("new champion", lambda: loop.champion().bundle != first.bundle)
            second = loop.champion()
            loop.wait(
                "answer of the new champion",
                lambda: httpx.post(f"{service.url}/predict", json={"title": "Senate passes budget"}).json()["model_id"] == second.bundle,
            )  # fmt: skip
            assert [run.tags["fakenews/trigger"] for run in loop.runs("retrain")] == ["drift"]
            batches = loop.store.partitions("clean_news") - {"b1"}
            assert {name.rsplit("-", 1)[0] for name in batches} == {"era-3"}
            # Many ticks have seen the file meanwhile.
            assert len(loop.runs("ingest_batch")) == 1
            loop.wait(
                "bento of the new champion",
                lambda: (
                    loop.store.exists("fakenews_bento")
                    and loop.store.current("fakenews_bento").meta["model_id"] == second.bundle
                ),
            )

            # A batch with its labels the wrong way round is stopped by the check; nothing is trained on it.
            trained = loop.store.current("finetuned_bert").version
            loop.land("flipped.csv", articles(1500, seed=9, labels={"0": "1", "1": "0"}))
            loop.wait(
                "refused batch",
                lambda: any(run.status == dg.DagsterRunStatus.FAILURE for run in loop.runs("ingest_batch")),
            )
            loop.wait(
                "reason to wait",
                lambda: "0 of 3,000 new labelled articles" in loop.last_tick("new_rows_sensor"),
            )
            assert not any(name.startswith("flipped") for name in loop.store.partitions("clean_news"))
            (flipped,) = loop.store.refused_partitions("clean_news")
            refused = loop.store.refused(f"clean_news/{flipped}")
            assert refused is not None
            outcomes = {one["name"]: one["passed"] for one in refused.read_json("checks.json")}
            assert outcomes["label_semantics"] is False
            assert loop.store.current("finetuned_bert").version == trained
            assert loop.champion() == second

            # A batch whose labels are drawn by lot passes the checks. What is trained on it does not pass the gate.
            noise = articles(4000, seed=10)
            lot = np.random.default_rng(0).integers(0, 2, noise.height).astype(str)
            loop.land("noise.csv", noise.with_columns(label=pl.Series(lot)))
            loop.wait("second retraining", lambda: len(loop.runs("retrain")) == 2)
            loop.wait("decision", lambda: loop.decision().promoted is False)
            assert loop.runs("retrain")[0].tags["fakenews/trigger"] == "new rows"
            assert loop.champion() == second
            assert (
                httpx.post(f"{service.url}/predict", json={"title": "Senate passes budget"}).json()[
                    "model_id"
                ]
                == second.bundle
            )


def test_a_daemon_killed_between_partition_and_run_loses_nothing_and_repeats_nothing(loop: Loop) -> None:
    loop.land("late.csv", articles(300, seed=11))
    with loop.daemon(_KILLED_AFTER_THE_PARTITION) as daemon:
        assert daemon.wait(PATIENCE) == -signal.SIGKILL
    (batch,) = set(loop.instance.get_dynamic_partitions("news_batches")) - {"b1"}
    assert loop.runs("ingest_batch") == []
    assert not loop.store.exists(f"raw_news/{batch}")

    with loop.daemon():
        loop.wait("batch", lambda: loop.store.exists(f"clean_news/{batch}"))
        loop.wait("another look", lambda: "No new files" in loop.last_tick("new_batch_sensor"))
    (run,) = loop.runs("ingest_batch")
    assert run.tags["dagster/partition"] == batch
    assert (
        json.loads((loop.store.current(f"clean_news/{batch}").path / "summary.json").read_text())["rows_in"]
        == 300
    )
