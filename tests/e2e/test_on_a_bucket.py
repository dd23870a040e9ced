"""The whole life on a bucket, through an unreliable network: the same versions as in a folder, and nothing lost."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import polars as pl
import pytest
from rich.console import Console

from fakenews_assets.cli.running import GraphRunner
from fakenews_assets.governance.pruning.pruning import plan_pruning, prune
from fakenews_assets.monitoring.log.prediction_log import PredictionLog
from fakenews_assets.registry.bundle import open_bundle
from fakenews_assets.registry.champion import ChampionRegistry
from fakenews_resources import processes
from fakenews_resources.storage.google_client import client
from fakenews_resources.storage.store import Store
from fakenews_resources.storage.tombstones import Tombstones
from tests.support.buckets import OUTAGE, Fault, Gate, objects, open_bucket
from tests.support.forked import fakenews, start, wait
from tests.support.watched import train_champion

pytestmark = [pytest.mark.bucket, pytest.mark.daemon]

REPOSITORY = Path(__file__).parents[2]
ADDRESS = "gs://news/prod"
SAME = ("raw_news/b1", "clean_news/b1", "corpus_profile", "article_clusters", "splits", "baseline_model")
"""Values whose bytes depend on nothing but the code, the configuration and the articles."""

FAULTS: tuple[Fault, ...] = ("503", "429", "reset", "lost", "503", "cut")


def live(trained: Path) -> None:
    """What a child process does: it makes a champion, with the encoder of the trained project."""
    with GraphRunner(Console(quiet=True)) as runner:
        train_champion(runner, trained / "encoder")


class World:
    """The trained project on a folder, and another on a bucket that lives the same life."""

    def __init__(self, trained: Path, folder: Path, gate: Gate) -> None:
        self.gate = gate
        self.folder, self.project = trained, folder / "on a bucket"
        self.project.mkdir()
        shutil.copy(REPOSITORY / "dagster.yaml", self.project)
        self.remote = {
            "FAKENEWS_STORAGE": ADDRESS,
            "FAKENEWS_CACHE": str(folder / "cache"),
            "STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{gate.port}",
        }

    def run(self, function: Callable[..., object], *arguments: object) -> str:
        """Call a function in a process of its own inside the project; gives what it printed."""
        output = self.project / f"output-{len(list(self.project.glob('output-*')))}"
        variables = {"DAGSTER_HOME": str(self.project)} | self.remote
        process = start(function, *arguments, environment=variables, output=output, folder=self.project)
        status, printed = wait(process), output.read_text()
        assert status == 0, printed[-6000:]
        return printed

    def fakenews(self, *arguments: str) -> str:
        return self.run(fakenews, *arguments)

    def live(self) -> None:
        self.run(live, self.folder)

    @contextmanager
    def service(self, own: Path) -> Iterator[processes.Server]:
        environment = self.remote | {
            "BENTOML_HOME": str(own / "bentoml"),
            "FAKENEWS_CACHE": str(own / "cache"),
            "FAKENEWS_LOG_SEND_SECONDS": "0.5",
            "FAKENEWS_LOG_CONTENT": "text",
        }
        arguments = ["bentoml", "serve", "bentos.fakenews.service:FakeNews", "--host", "127.0.0.1"]
        with processes.serving(
            arguments, REPOSITORY, os.environ | environment, ready="/readyz", grace=10
        ) as server:
            yield server


@pytest.fixture(scope="module")
def world(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with open_bucket() as gate:
        world = World(trained, tmp_path_factory.mktemp("world"), gate)
        for method in ("GET", "POST", "DELETE"):
            gate.strike(f"^{method} ", *FAULTS, every=5)
        world.live()
        yield world


@pytest.fixture
def store(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Store]:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", world.remote["STORAGE_EMULATOR_HOST"])
    monkeypatch.setenv("FAKENEWS_CACHE", str(tmp_path / "cache"))
    client.cache_clear()
    yield Store(ADDRESS)
    client.cache_clear()


def _both_hold_the_same_versions(world: World, store: Store) -> None:
    local = Store(world.folder / ".fakenews")
    assert {key: store.current(key).version for key in SAME} == {
        key: local.current(key).version for key in SAME
    }
    assert store.all_keys() == local.all_keys()
    for candidate in ("baseline", "finetuned"):
        here, there = (one.current(f"evaluation/{candidate}") for one in (local, store))
        tables = [pl.read_parquet(one.path / "predictions.parquet") for one in (here, there)]
        assert tables[0].equals(tables[1])
        assert store.verify(there) == []
    kinds = {kind for kind, _ in world.gate.struck}
    assert kinds == set(FAULTS)


def _the_champion_is_there_and_its_chain_holds(world: World, store: Store) -> None:
    champion = ChampionRegistry(store.bundles).champion()
    assert champion is not None
    assert open_bundle(store.bundle(champion.bundle)).sha == champion.bundle
    assert "The chain is intact" in world.fakenews("audit")
    before = objects(world.gate)
    name = next(
        one for one in before if one.endswith("splits/" + store.current("splits").version + "/train.parquet")
    )
    store.backend.write(name.removeprefix("prod/"), before[name][:-1] + b"?")
    with pytest.raises(AssertionError, match=r"train\.parquet"):
        world.fakenews("audit")
    store.backend.write(name.removeprefix("prod/"), before[name])
    world.fakenews("audit")


def _a_second_run_does_nothing(world: World) -> None:
    before = objects(world.gate)
    world.live()
    assert objects(world.gate) == before


def _the_service_answers_from_the_bucket_and_its_log_arrives(
    world: World, store: Store, tmp_path: Path
) -> None:
    title = "Senate passes the budget after a long night of talks about the harbour"
    with world.service(tmp_path / "one") as one, world.service(tmp_path / "two") as other:
        answer = httpx.post(f"{one.url}/predict", json={"title": title}).json()
        champion = ChampionRegistry(store.bundles).champion()
        assert champion is not None
        assert answer["model_id"] == champion.bundle
        truth = {"request_id": answer["request_id"], "label": 1}
        world.gate.strike("POST", "503", "reset")
        deadline = time.monotonic() + 20
        while (told := httpx.post(f"{other.url}/feedback", json=truth)).status_code == 404:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert told.status_code == 200
    log = PredictionLog(store.backend.fetch("service_log"))
    day = datetime.now(UTC).date()
    assert log.read(day, "predictions").collect()["request_id"].to_list() == [answer["request_id"]]
    assert log.read(day, "feedback").collect()["true_label"].to_list() == [1]
    assert not list((tmp_path / "one").rglob("*.jsonl")), "what was sent is removed"
    world.fakenews("audit", answer["request_id"])

    article = log.read(day, "predictions").collect()["article_id"][0]
    world.fakenews("erase", article, "--reason", "asked for", "--yes")
    assert not any(title.encode() in data for data in objects(world.gate).values())
    assert not any(
        title.encode() in path.read_bytes()
        for path in Path(world.remote["FAKENEWS_CACHE"]).rglob("*")
        if path.is_file()
    )
    assert [entry.reason for entry in Tombstones(store).sound().done] == ["asked for"]
    world.fakenews("audit", answer["request_id"])


def _what_a_killed_service_did_not_send_the_next_one_sends(
    world: World, store: Store, tmp_path: Path
) -> None:
    with world.service(tmp_path) as killed:
        world.gate.strike("POST", *OUTAGE)
        answer = httpx.post(f"{killed.url}/predict", json={"title": "Mayor opens the new bridge"}).json()
        (unsent,) = tmp_path.rglob("predictions-*.jsonl")
        processes.end(killed.process)
    world.gate.strike_no_more()
    assert answer["request_id"] in unsent.read_text()
    with world.service(tmp_path):
        deadline = time.monotonic() + 20
        while unsent.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
    log = PredictionLog(store.backend.fetch("service_log"))
    assert len(log.find(answer["request_id"], 1)) == 1


def _pruning_removes_what_is_outdated_from_the_bucket(world: World, store: Store) -> None:
    assert "Nothing to prune" in world.fakenews("prune", "--yes"), "all of it is young"
    for text in ("old", "new"):
        draft = store.draft()
        (draft.path / "text").write_text(text)
        store.commit("notes", draft)
    (old,) = (one for one in store.versions("notes") if one != store.current("notes").version)
    plan = plan_pruning(store, 1, timedelta(0))
    assert [(one.key, one.version) for one in plan] == [("notes", old)]
    prune(store, plan, by="a test", reason="outdated")
    assert not [name for name in objects(world.gate) if old in name]
    world.fakenews("audit")


@pytest.mark.longest
def test_the_whole_life_on_a_bucket(world: World, store: Store, tmp_path: Path) -> None:
    """One test, for the world takes a minute to make and workers share out tests."""
    _both_hold_the_same_versions(world, store)
    _the_champion_is_there_and_its_chain_holds(world, store)
    _a_second_run_does_nothing(world)
    _the_service_answers_from_the_bucket_and_its_log_arrives(world, store, tmp_path / "arrives")
    _what_a_killed_service_did_not_send_the_next_one_sends(world, store, tmp_path / "sends")
    _pruning_removes_what_is_outdated_from_the_bucket(world, store)
