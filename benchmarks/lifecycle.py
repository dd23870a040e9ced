"""The lifecycle on the parts of deploy/compose.yaml, as drills ask for it: files, trainings, answers, alarms."""

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

import dagster as dg
import httpx
import polars as pl
import psutil
import typer
from dagster._core.storage.tags import AUTO_RETRY_RUN_ID_TAG, WILL_RETRY_TAG
from dagster_graphql import DagsterGraphQLClient

from benchmarks.common import logged_ids
from benchmarks.composed import PATIENCE_SECONDS, Part, Stack, wait_for
from fakenews_assets.automation.runs import IN_PROGRESS
from fakenews_assets.registry.champion import ChampionRegistry, Pointer
from fakenews_resources.news.sample import SampleSpec, generate
from fakenews_resources.storage.store import Store
from tests.support.models import build_tiny_bert

_Answer = TypeVar("_Answer")
_FEWEST_CANDIDATES: Final = {"FAKENEWS_CANDIDATES": ""}


def persistently(ask: Callable[[], _Answer], what: str) -> _Answer:
    """What is answered, in the end: each kept connection to a Postgres that was killed fails once."""
    for _ in range(PATIENCE_SECONDS):
        try:
            return ask()
        except Exception:  # noqa: BLE001 - the driver's own, SQLAlchemy's and GraphQL's
            time.sleep(1)
    raise TimeoutError(what)


@dataclass
class Client:
    """Asks the service twice a second."""

    service: Part
    key: str
    ids: list[str] = field(default_factory=list)
    unanswered: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    def ask(self) -> None:
        """Until `over`."""
        number = 0
        with httpx.Client(base_url=self.service.url, headers={"X-API-Key": self.key}, timeout=30) as client:
            while not self.over.wait(0.5):
                number += 1
                try:
                    answer = client.post("/predict", json={"title": f"Council votes on budget {number}"})
                except httpx.TransportError:
                    self.unanswered += 1
                    continue
                if answer.status_code == 200:
                    self.ids.append(answer.json()["request_id"])
                else:
                    self.unanswered += 1


@dataclass
class Lifecycle:
    """One stack, whose instance is asked beside the stack's own parts."""

    stack: Stack
    instance: dg.DagsterInstance
    store: Store
    client: Client

    def land(self, batch: str, rows: int, seed: int) -> None:
        """A file of generated articles in the landing folder."""
        aside = self.stack.landing / f".{batch}"
        pl.concat(generate(SampleSpec(rows=rows, seed=seed))).write_csv(aside)
        aside.rename(self.stack.landing / f"{batch}.csv")

    def is_batch(self, name: str) -> bool:
        """Raises ValueError if a file has become two."""
        found = [batch for batch in self.store.partitions("clean_news") if batch.startswith(f"{name}-")]
        if len(found) > 1:
            raise ValueError(f"{name} is stored twice: {found}")
        return bool(found)

    def champion(self) -> Pointer | None:
        return ChampionRegistry(self.store.bundles.root).champion()

    def runs(self, *statuses: dg.DagsterRunStatus, job: str | None = None) -> Sequence[dg.DagsterRun]:
        """Of these statuses, the newest first; as soon as Postgres answers."""
        asked = dg.RunsFilter(statuses=list(statuses) or None, job_name=job)
        return persistently(lambda: self.instance.get_runs(asked), "Postgres")

    def rests(self) -> bool:
        """Whether nothing runs, and sensors have nothing more to start: two of their ticks without a run."""
        until = time.monotonic() + 70
        while time.monotonic() < until:
            if self.runs(*IN_PROGRESS):
                return False
            time.sleep(1)
        return True

    def retrain(self) -> None:
        """As a person launches it in the UI, but with an encoder of 24,000 parameters."""
        encoder = {"name": str(self.stack.folder / "encoder"), "max_tokens": 64}
        smallest = {
            "finetuned_bert": {"config": {"encoder": encoder, "max_tokens": 32, "epochs": 5, "patience": 5}},
            "baseline_model": {"config": {"style": 0}},
        }
        client = DagsterGraphQLClient("127.0.0.1", port_number=self.stack.parts["webserver"].port)

        def launch() -> None:
            # A launch may have succeeded whose answer was lost.
            if not self.runs(*IN_PROGRESS, job="retrain"):
                client.submit_job_execution("retrain", run_config={"ops": smallest})

        persistently(launch, "the webserver")

    def keep_busy(self) -> None:
        """A training is under way. A run that was started again is left to end: a second loss would be its last."""
        wait_for(lambda: not self._is_retrying(), "end of the retries")
        self.retrain()
        wait_for(lambda: self.runs(dg.DagsterRunStatus.STARTED, job="retrain"), "a run that trains")

    def _is_retrying(self) -> bool:
        failed = [run.tags for run in self.runs(dg.DagsterRunStatus.FAILURE)]
        return any(run.parent_run_id for run in self.runs(*IN_PROGRESS)) or any(
            tags.get(WILL_RETRY_TAG) == "true" and AUTO_RETRY_RUN_ID_TAG not in tags for tags in failed
        )

    def firing(self) -> dict[str, float]:
        """Alarms by name and label, with their values."""
        if "prometheus" not in self.stack.parts:
            return {}
        with suppress(httpx.TransportError):
            alerts = httpx.get(f"{self.stack.parts['prometheus'].url}/api/v1/alerts").json()["data"]["alerts"]
            return {
                one["labels"]["alertname"]: float(one["value"]) for one in alerts if one["state"] == "firing"
            }
        return {}

    def kill_worker(self) -> None:
        """The process of the run that trains, once it is at the encoder."""
        (run,) = self.runs(dg.DagsterRunStatus.STARTED, job="retrain")
        wait_for(lambda: "finetuned_bert" in self._begun(run), "the encoder's training")
        told = self.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
        numbers = [entry.get_dagster_event().engine_event_data.metadata.get("pid") for entry in told]
        psutil.Process(int(str(next(number.value for number in reversed(numbers) if number)))).kill()

    def _begun(self, run: dg.DagsterRun) -> set[str | None]:
        began = self.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_START)
        return {entry.step_key for entry in began}

    def audit(self) -> bool:
        """What `compose exec code fakenews audit` says."""
        code = self.stack.parts["code"]
        said = subprocess.run(
            ["fakenews", "audit"], env=code.environment, cwd=code.folder, capture_output=True, text=True
        )
        typer.echo(said.stdout[-400:])
        return said.returncode == 0

    def left(self) -> int:
        """Values downstream of a training that no run could refresh."""
        for state in self.instance.all_instigator_state():
            if state.name == "refresh_downstream":
                (tick,) = self.instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
                _, tried, names = (tick.skip_reason or "").partition("Already tried with the same inputs")
                return len(names.split(",")) if tried else 0
        raise LookupError("refresh_downstream has never looked")

    def lost_trainings(self) -> int:
        """Retrainings of which no run succeeded, retries included."""
        runs = self.runs(job="retrain")
        done = {run.root_run_id or run.run_id for run in runs if run.status == dg.DagsterRunStatus.SUCCESS}
        return len({run.root_run_id or run.run_id for run in runs} - done)

    def lost_answers(self) -> int:
        """Answers that a client got and that the log lacks."""
        return len(set(self.client.ids) - set(logged_ids(self.stack.volume / "storage" / "service_log")))


@contextmanager
def running(folder: Path) -> Iterator[Lifecycle]:
    """All parts, a client, and the first champion."""
    stack = Stack(folder, _FEWEST_CANDIDATES)
    build_tiny_bert(folder / "encoder")
    with stack.running(typer.echo):
        code = stack.parts["code"].environment
        os.environ |= {name: code[name] for name in ("DAGSTER_HOME", "DAGSTER_PG_PASSWORD")}
        client = Client(stack.parts["service"], stack.secrets["FAKENEWS_API_KEY"])
        asking = threading.Thread(target=client.ask)
        asking.start()
        try:
            with dg.DagsterInstance.get() as instance:
                yield Lifecycle(stack, instance, Store(stack.volume / "storage"), client)
        finally:
            client.over.set()
            asking.join()
