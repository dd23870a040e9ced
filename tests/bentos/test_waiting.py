"""How long others wait while the service works on something large."""

import csv
import io
import math
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

import httpx
import pytest

from tests.support.servers import Server

LONGEST_WAIT: Final = 0.8
"""Seconds."""
TRIES: Final = 3


def longest_wait(service: Server, ask: Callable[[], object], title: str) -> float:
    """Seconds for the slowest answer to a probe, or to a title, while something else is asked; infinite if one is refused."""
    took: list[float] = []
    statuses: Counter[int] = Counter()
    over = threading.Event()

    def probe() -> None:
        with httpx.Client(base_url=service.url, timeout=60) as client:
            while not (took and over.is_set()):
                begin = time.monotonic()
                answer = client.post("/predict", json={"title": title}) if title else client.get("/livez")
                took.append(time.monotonic() - begin)
                statuses[answer.status_code] += 1
                over.wait(0.02)

    thread = threading.Thread(target=probe)
    thread.start()
    try:
        ask()
    finally:
        over.set()
        thread.join()
    return max(took) if set(statuses) == {200} else math.inf


def require_that_nobody_waits(service: Server, ask: Callable[[], object], title: str = "") -> None:
    """What blocks the server blocks it in each try; other tests on a busy machine do not."""
    waits: list[float] = []
    while not waits or waits[-1] >= LONGEST_WAIT:
        assert len(waits) < TRIES, waits
        waits.append(longest_wait(service, ask, title))


def test_rows_that_no_model_sees_hold_nobody_up(client: httpx.Client, service: Server):
    content = b"title,text\n" + b",x\n" * 140_000

    def ask() -> None:
        answer = client.post("/predict_csv", files={"file": ("x.csv", content)})
        assert answer.status_code == 200
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        assert [int(row["row"]) for row in rows] == list(range(1, 140_001))
        assert {row["error"] for row in rows} == {"no title"}

    require_that_nobody_waits(service, ask)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"title,text\n" + b",x\n" * 190_000, "more than 150,000 invalid rows"),
        (b"title\n" + b"\n" * 20_000_000 + b"x\n", "more than 200,000 rows, counting empty lines"),
        (b'title,text\nx,"' + b"\n" * 20_000_000, "a quote that opens there is probably never closed"),
    ],
    ids=["faulty rows", "empty lines", "an open quote"],
)
def test_a_file_without_end_is_refused(client: httpx.Client, service: Server, content: bytes, message: str):
    def ask() -> None:
        answer = client.post("/predict_csv", files={"file": ("x.csv", content)})
        assert answer.status_code == 422
        assert message in answer.json()["error"]["message"]

    require_that_nobody_waits(service, ask)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/predict_batch", {"articles": [{"title": "A long read", "text": "budget vote " * 680}] * 400}),
        ("/predict_batch", {"articles": [{"title": "Senate passes the budget after a late vote"}] * 1000}),
        ("/explain", {"title": "A long read", "text": "budget vote " * 680}),
    ],
    ids=["articles", "titles", "explanation"],
)
def test_a_large_request_shuts_nobody_out(client: httpx.Client, service: Server, path: str, body: dict):
    def ask() -> None:
        answers = [client.post(path, json=body) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 200]
        if path == "/predict_batch":
            assert {len(answer.json()["predictions"]) for answer in answers} == {len(body["articles"])}

    require_that_nobody_waits(service, ask, title="A short one in between")
