"""What happens when things go wrong: kills, a full disk, too much to do, new champions, no champion."""

import json
import re
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import httpx
import polars as pl
import psutil
import pytest

from fakenews_assets.monitoring.log.prediction_log import PredictionLog
from fakenews_assets.monitoring.log.records import PREDICTION_LOG_SCHEMA, stamp
from fakenews_assets.monitoring.simulation import ServiceError, articles_of, send_traffic
from fakenews_assets.registry.champion import POINTER_FILE, ChampionRegistry
from fakenews_resources.news.sample import SampleSpec
from fakenews_resources.request_ids import new_request_id
from tests.support.champions import make_champion
from tests.support.servers import Server, serve

pytestmark = pytest.mark.server


def logged_ids(server: Server) -> set[str]:
    log = PredictionLog(server.log)
    days = pl.concat([log.read(day, "predictions") for day in log.days()])
    return set(days.collect()["request_id"])


class Traffic:
    """Clients that ask without pause until told to stop, and keep every answer."""

    def __init__(self, url: str, clients: int = 4) -> None:
        self.answers: list[dict[str, str]] = []
        self.statuses: Counter[int] = Counter()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(url, number)) for number in range(clients)]

    def __enter__(self) -> "Traffic":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.02)

    def _ask(self, url: str, number: int) -> None:
        with httpx.Client(base_url=url, timeout=30) as client:
            while not self._stop.is_set():
                try:
                    answer = client.post("/predict", json={"title": f"headline of client {number}"})
                except httpx.TransportError:
                    return
                self.statuses[answer.status_code] += 1
                if answer.status_code == 200:
                    self.answers.append(answer.json())


def test_a_kill_of_the_worker_loses_no_answered_request(tmp_path: Path, models: Path):
    with serve(tmp_path, models) as server:
        with Traffic(server.url) as traffic:
            traffic.wait_for(lambda: len(traffic.answers) >= 200)
            server.kill_worker()
        asked = {answer["request_id"] for answer in traffic.answers}
        assert len(asked) >= 200
        assert asked <= logged_ids(server)

        # The next process takes over beside what is there, and finds it.
        end = time.monotonic() + 120
        while not is_ready(server):
            assert time.monotonic() < end
        again = httpx.post(f"{server.url}/predict", json={"title": "after the kill"}).json()["request_id"]
        assert asked | {again} <= logged_ids(server)
        first = traffic.answers[0]["request_id"]
        assert httpx.post(f"{server.url}/feedback", json={"request_id": first, "label": 0}).status_code == 200


def is_ready(server: Server) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"{server.url}/readyz", timeout=2).status_code == 200
    return False


def test_a_label_does_not_read_the_whole_day(tmp_path: Path, models: Path):
    log = PredictionLog(tmp_path / "log")
    line = dict.fromkeys(PREDICTION_LOG_SCHEMA) | {
        "time": stamp(datetime.now(UTC)),
        "row": 1,
        "title": "x" * 700,
    }
    ids = [new_request_id() for _ in range(30_000)]
    log.append("predictions", [line | {"request_id": one} for one in ids])
    log.close()
    size = sum(file.stat().st_size for file in log.root.rglob("*.jsonl"))

    with serve(tmp_path, models) as server, httpx.Client(base_url=server.url, timeout=30) as client:
        top = psutil.Process(server.process.pid)
        family = [top, *top.children(recursive=True)]

        def read() -> int:
            return sum(process.io_counters().read_chars for process in family)

        def label(request_id: str) -> int:
            return client.post("/feedback", json={"request_id": request_id, "label": 1}).status_code

        answered = client.post("/predict", json={"title": "a headline"}).json()["request_id"]
        end = time.monotonic() + 30
        while True:  # until the lines that the process found there are indexed
            before = read()
            assert [label(one) for one in (ids[0], ids[-1], answered)] == [200] * 3
            assert label(new_request_id()) == 404
            took = read() - before
            if took < size / 10:
                break
            assert time.monotonic() < end, f"four labels read {took:,} bytes of a log of {size:,}"


def test_a_new_champion_takes_over_without_a_dropped_request(tmp_path: Path, models: Path):
    def in_force() -> str:
        return httpx.get(f"{server.url}/model").json()["model_id"]

    patient = {"FAKENEWS_MAX_WAIT_MS": "60000"}  # a busy machine is no dropped request
    with serve(tmp_path, models, patient) as server, Traffic(server.url) as traffic:
        first = in_force()
        traffic.wait_for(lambda: len(traffic.answers) >= 50)
        second = make_champion(models, seed=1)
        traffic.wait_for(lambda: in_force() == second)
        traffic.wait_for(lambda: traffic.answers[-1]["model_id"] == second)

        # A damaged champion is refused, and the one before goes on.
        third = make_champion(tmp_path / "elsewhere", seed=2)
        shutil.copytree(tmp_path / "elsewhere" / third, models / third)
        weights = models / third / "model" / "model.safetensors"
        content = bytearray(weights.read_bytes())
        content[-1] ^= 1
        weights.write_bytes(content)
        pointer = ChampionRegistry(tmp_path / "elsewhere").champion()
        assert pointer is not None
        (models / POINTER_FILE).write_text(pointer.model_dump_json())
        traffic.wait_for(lambda: server.metric('fakenews_model_swaps_total{outcome="failed"}') >= 1)
        asked = len(traffic.answers)
        traffic.wait_for(lambda: len(traffic.answers) >= asked + 50)
        assert in_force() == second

        for sha in (first, second):
            assert re.search(rf"\[INFO\].* Serving {sha} \(tiny-\d\)", server.printed())
        assert "Could not load the new champion; the previous one keeps answering" in server.printed()

    assert set(traffic.statuses) == {200}
    assert {answer["model_id"] for answer in traffic.answers} == {first, second}
    # Every answer names the model that gave it, in the log as well.
    log = PredictionLog(server.log)
    rows = pl.concat([log.read(day, "predictions") for day in log.days()]).collect()
    noted = dict(rows.select("request_id", "model_id").iter_rows())
    assert all(noted[answer["request_id"]] == answer["model_id"] for answer in traffic.answers)


def test_too_much_to_do_is_refused_and_soon_over(tmp_path: Path, models: Path):
    body = json.dumps({"articles": [{"title": f"headline number {row}"} for row in range(500)]}).encode()
    kind = {"Content-Type": "application/json"}
    with serve(tmp_path, models, {"FAKENEWS_MAX_WAIT_MS": "50"}) as server:
        with httpx.Client(base_url=server.url, timeout=60, limits=httpx.Limits(max_connections=64)) as client:

            def ask(_: int) -> httpx.Response:
                return client.post("/predict_batch", content=body, headers=kind)

            with ThreadPoolExecutor(64) as pool:
                answers = list(pool.map(ask, range(400)))
            statuses = Counter(answer.status_code for answer in answers)
            refused = next(answer for answer in answers if answer.status_code == 503)
            begin = time.monotonic()
            while client.post("/predict", json={"title": "calm again"}).status_code != 200:
                assert time.monotonic() < begin + 30
        assert set(statuses) == {200, 503}
        assert int(refused.headers["Retry-After"]) >= 1
        assert refused.json()["error"]["code"] == "busy"
        assert {one.json()["request_id"] for one in answers if one.status_code == 200} <= logged_ids(server)
        assert server.metric("fakenews_refused_total") == statuses[503]


def test_a_service_without_champion_log_and_key(tmp_path: Path):
    """Started before there is a model, for holders of a key and pages of one origin, with a log that fails."""
    models = tmp_path / "models"
    models.mkdir()
    environment = {
        "FAKENEWS_API_KEY": "sixteen characters",
        "FAKENEWS_CORS_ORIGINS": '["https://desk.example"]',
        "FAKENEWS_LOG": "/dev/full/log",
    }
    with serve(tmp_path, models, environment, ready=False) as server:
        with httpx.Client(base_url=server.url, headers={"X-API-Key": "sixteen characters"}) as client:
            assert client.get("/readyz").status_code == 503
            answer = client.post("/predict", json={"title": "x"})
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "no_model")
            assert answer.headers["Retry-After"]
            assert client.get("/model").status_code == 503
            with pytest.raises(ServiceError, match="`make demo` makes one"):
                send_traffic(
                    server.url,
                    articles_of(SampleSpec(rows=20)),
                    feedback_share=0,
                    api_key="sixteen characters",
                )

            sha = make_champion(models)
            end = time.monotonic() + 60
            while client.get("/readyz").status_code != 200:
                assert time.monotonic() < end
                time.sleep(0.1)
            answer = client.post("/predict", json={"title": "x"}, headers={"Origin": "https://desk.example"})
            assert answer.status_code == 200
            assert answer.json()["model_id"] == sha
            assert answer.headers["access-control-allow-origin"] == "https://desk.example"
            other = client.post("/predict", json={"title": "x"}, headers={"Origin": "https://evil.example"})
            assert "access-control-allow-origin" not in other.headers

        # Answered, though not written down: the alarm is on.
        assert server.metric("fakenews_log_broken") == 1
        assert server.metric("fakenews_log_lost_total") == 2
        assert server.printed().count("cannot be written") == 1  # in a minute

        for path in ("/predict", "/predict_batch", "/explain", "/feedback", "/predict_csv"):
            assert httpx.post(server.url + path, json={"title": "x"}).status_code == 401
        assert httpx.get(f"{server.url}/model").status_code == 401
        wrong = httpx.post(f"{server.url}/predict", json={"title": "x"}, headers={"X-API-Key": "sixteen"})
        assert wrong.status_code == 401
        assert "X-API-Key" in wrong.json()["error"]["message"]
        assert httpx.get(f"{server.url}/").status_code == 200
        assert httpx.get(f"{server.url}/page/app.js").status_code == 200
