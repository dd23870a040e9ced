"""What goes on beside the answers goes on after anything that may fail in it."""

import ast
import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bentos.fakenews import settings
from bentos.fakenews.model import loading, upkeep
from bentos.fakenews.model import runtime as module
from bentos.fakenews.model.loading import Served
from bentos.fakenews.model.runtime import Answered, Runtime
from bentos.fakenews.settings import ServiceSettings
from fakenews_assets.models.classifier import Article
from fakenews_assets.monitoring.log.prediction_log import PredictionLog
from fakenews_assets.registry.champion import ChampionRegistry
from fakenews_resources.storage.backend import FolderBackend
from tests.support.champions import make_champion


async def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


@pytest.mark.server
def test_a_champion_that_fails_in_its_own_way_is_tried_again(
    tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_RETRY_SECONDS", 0.1)
    load = loading.load
    failures = [RuntimeError("of the runtime"), KeyError("of a newer format")]

    def fail_first(*arguments: object) -> object:
        if failures:
            raise failures.pop()
        return load(*arguments)  # pyright: ignore[reportArgumentType]

    async def live() -> None:
        runtime = Runtime(ServiceSettings(models=models, log=tmp_path / "log", watch_seconds=0.02))
        await runtime.start()
        first = runtime.champion().described.model_id
        monkeypatch.setattr(loading, "load", fail_first)
        second = make_champion(models, seed=1)
        await until(lambda: not failures)
        await until(lambda: runtime.champion().described.model_id != first)
        assert runtime.champion().described.model_id == second
        await runtime.stop()

    asyncio.run(live())


def test_a_champion_is_warm_before_it_answers(
    tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[Served | None] = []

    async def live() -> None:
        runtime = Runtime(ServiceSettings(models=models, log=tmp_path / "log"))
        monkeypatch.setattr(loading, "warm_up", lambda _: served.append(runtime.served))
        await runtime.start()
        assert runtime.served is not None
        await runtime.stop()

    asyncio.run(live())
    assert served == [None]


def test_a_storage_that_does_not_answer_holds_up_no_start(
    tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    answers = threading.Event()
    load = loading.load

    def load_late(*arguments: object) -> object:
        assert answers.wait(30)
        return load(*arguments)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(module, "_START_SECONDS", 0.05)
    monkeypatch.setattr(loading, "load", load_late)

    async def live() -> None:
        runtime = Runtime(ServiceSettings(models=models, log=tmp_path / "log", watch_seconds=0.02))
        await runtime.start()
        assert runtime.served is None
        assert "Still loading" in caplog.text
        answers.set()
        await until(lambda: runtime.served is not None)
        first = runtime.champion().described.model_id
        make_champion(models, seed=1)
        await until(lambda: runtime.champion().described.model_id != first)
        await runtime.stop()

    asyncio.run(live())


def test_without_a_champion_nothing_is_said_to_answer(
    tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> object:
        raise AssertionError

    monkeypatch.setattr(loading, "load", fail)

    async def live() -> None:
        runtime = Runtime(ServiceSettings(models=models, log=tmp_path / "log"))
        await runtime.start()
        await runtime.stop()

    asyncio.run(live())
    assert "Could not load the new champion; every article is answered 503: AssertionError()" in caplog.text


def test_one_request_has_one_model(tmp_path: Path, models: Path) -> None:
    runtime = Runtime(ServiceSettings(models=models, log=tmp_path / "log"))

    async def live() -> list[str]:
        def take_over() -> Served:
            pointer = ChampionRegistry(models).champion()
            assert pointer is not None
            runtime.served = loading.load(FolderBackend(models), pointer, runtime.settings)
            return runtime.served

        def ask(rows: int, model: Served | None = None) -> "asyncio.Task[Answered]":
            articles = [Article("a", "many words " * 200)] * rows
            return asyncio.create_task(
                runtime.ask(
                    articles, request_id="x", endpoint="/x", received=0, rows=range(rows), model=model
                )
            )

        before = take_over()
        asked = ask(6)
        await asyncio.sleep(0)  # queued, in pieces
        make_champion(models, seed=1)
        take_over()
        runtime.batcher.start()
        answers = [await one for one in (asked, ask(1), ask(1, model=before))]
        await runtime.batcher.stop()
        return [answered.model_id for answered in answers]

    whole, later, more = asyncio.run(live())
    assert whole == more != later == runtime.champion().described.model_id
    logged = runtime.log.read(datetime.now(UTC).date(), "predictions").collect()["model_id"]
    assert logged.value_counts().sort("count").rows() == [(later, 1), (whole, 7)]


def test_the_log_is_rotated_after_a_rotation_that_failed(
    tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def rotate(_: PredictionLog) -> list[Path]:
        calls.append(1)
        if len(calls) == 1:
            raise ValueError("a line that no version of this program wrote")
        return []

    monkeypatch.setattr(upkeep, "_ROTATE_SECONDS", 0.02)
    monkeypatch.setattr(upkeep, "rotate_sealed", rotate)

    async def live() -> None:
        runtime = Runtime(ServiceSettings(models=models, log=tmp_path / "log"))
        await runtime.start()
        await until(lambda: len(calls) >= 2)
        await runtime.stop()

    asyncio.run(live())


def test_what_it_says_of_its_model_needs_no_file_any_more(tmp_path: Path, models: Path) -> None:
    async def live() -> None:
        runtime = Runtime(ServiceSettings(models=models, log=tmp_path / "log"))
        await runtime.start()
        champion = ChampionRegistry(models).champion()
        assert champion is not None
        for path in (models / champion.bundle).iterdir():
            if path.is_file():
                path.unlink()
        served = runtime.champion()
        assert served.described.model_id == champion.bundle
        assert served.card
        assert served.described.model_card
        await runtime.stop()

    asyncio.run(live())


@pytest.mark.parametrize("storage", [None, "elsewhere"])
def test_a_bento_has_its_log_outside_of_itself(
    storage: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, bento = tmp_path / "home", tmp_path / "bento"
    (bento / "models").mkdir(parents=True)
    monkeypatch.setattr(settings, "_PACKED_MODELS", bento / "models")
    monkeypatch.chdir(bento)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("FAKENEWS_STORAGE", raising=False)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    if storage:
        monkeypatch.setenv("FAKENEWS_STORAGE", str(tmp_path / storage))

    log = ServiceSettings().log_backend().root

    assert log == (tmp_path / storage / "service_log" if storage else home / ".fakenews" / "service_log")


@pytest.mark.parametrize("follows", [False, True])
def test_a_bento_serves_the_champion_that_is_packed_into_it_unless_it_follows_the_storage(
    follows: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = tmp_path / "bento" / "models"
    packed.mkdir(parents=True)
    monkeypatch.setattr(settings, "_PACKED_MODELS", packed)
    monkeypatch.delenv("FAKENEWS_MODELS", raising=False)
    storage = tmp_path / "storage"
    found = ServiceSettings(storage=str(storage), follow_storage=follows).models_backend().root
    assert found == (storage / "models" if follows else packed)


def test_other_threads_hold_no_request_up() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_THREADS")}
    code = (
        "import sys, threadpoolctl; from bentos.fakenews import service;"
        " print((threadpoolctl.threadpool_info(), sys.getswitchinterval()))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True
    ).stdout
    pools, switch_interval = ast.literal_eval(printed)
    # More than one would spin while they wait for the next product.
    assert {pool["num_threads"] for pool in pools if pool["internal_api"] == "openblas"} == {1}
    assert switch_interval < 0.001
