"""How long others wait while somebody abuses the service, and what memory it takes.

Beside each case a probe sends 20 titles a second, in an open loop: a stall counts from the moment a title falls due,
so that no wait hides behind another one.
"""

import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import starmap
from math import ceil
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import httpx
from rich.console import Console

from benchmarks.common import resident_mib
from benchmarks.load.process import LoadProcess
from benchmarks.load.results import Load
from fakenews_assets.monitoring.log.prediction_log import PredictionLog
from fakenews_assets.monitoring.log.records import PREDICTION_LOG_SCHEMA, stamp
from fakenews_resources.processes import Server
from fakenews_resources.request_ids import new_request_id

if TYPE_CHECKING:
    from benchmarks.serving import Bench

PROBE_RATE: Final = 20.0
LOG_LINES: Final = 1_000_000
LABELS: Final = 200
_LONG_TEXT: Final = "The committee met on Tuesday to vote on the budget for roads and schools. " * 108
_MARKUP: Final = ("<p>&amp;amp; It was Tuesday’s “vote” &nbsp; </p> " * 6_000)[:190_000]
_LINES_AT_ONCE: Final = 50_000
_PATIENCE: Final = 120.0
_MULTIPART: Final = (
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n%s\r\n--x--\r\n'
)

console = Console()

Attack = Callable[[Server, float], Counter[int]]
"""Does something to a server for about so many seconds, or once if that takes longer. Returns the statuses of the
answers that it got."""


def measure_hostile(bench: "Bench", folder: Path, seconds: float, log_lines: int) -> dict[str, Any]:
    """The worst stall and the peak of memory beside each case, on one server; then labels on a full day of the log."""
    with bench.service(folder / "log") as server:
        bench.turn(server)  # warm
        cases = {
            "nobody": _beside(bench, server, seconds, _connections(0, lambda _: b"")),
            **{name: _beside(bench, server, seconds, attack) for name, attack in ATTACKS.items()},
        }
    return {"cases": cases, "feedback": _measure_feedback(bench, folder / "day", seconds, log_lines)}


def numbers_of_hostile(raw: dict[str, Any]) -> dict[str, float]:
    """The figures with targets."""
    cases, feedback = raw["cases"], raw["feedback"]
    hostile = [case for name, case in cases.items() if name != "nobody"] + [feedback["labels"]]
    return {
        "worst_stall_ms": max(case["worst_stall_ms"] for case in hostile),
        "peak_mib_hostile": max(case["peak_mib"] for case in hostile),
        "peak_hostile_vs_calm": max(case["peak_mib"] for case in hostile) / cases["nobody"]["peak_mib"],
        "feedback_ms_1m": feedback["p99_ms"],
        "feedback_peak_mib": feedback["growth_mib"],
    }


def hostile_lines(raw: dict[str, Any]) -> list[str]:
    """The table of cases."""
    cases = {
        **raw["cases"],
        f"labels for a day of {raw['feedback']['lines']:,} lines": raw["feedback"]["labels"],
    }
    return [
        f"| {PROBE_RATE:.0f} requests/s beside | worst stall, ms | p50, ms | refused | peak memory, MiB |",
        "| --- | ---: | ---: | ---: | ---: |",
        *(
            f"| {name} | {case['worst_stall_ms']:.0f} | {case['p50_ms']:.1f} | {case['refused']} | {case['peak_mib']:,.0f} |"
            for name, case in cases.items()
        ),
    ]


@contextmanager
def _memory(server: Server) -> Iterator[list[float]]:
    """Memory of a server's processes, every tenth of a second."""
    seen = [resident_mib(server)]
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.1):
            seen.append(resident_mib(server))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def _beside(bench: "Bench", server: Server, seconds: float, attack: Attack) -> dict[str, Any]:
    time.sleep(2)  # what the case before has left is taken up
    load = Load(server.url, 32, seconds + 2, warm_up=1, rate=PROBE_RATE)
    probe = LoadProcess(load, bench.titles_file)
    time.sleep(1.5)
    with _memory(server) as memory:
        answers = attack(server, seconds)
        found = probe.result()
    case = {
        "worst_stall_ms": max(latency.max for latency in found.latency.values()),
        "p50_ms": found.ok.p50,
        "p99_ms": found.ok.p99,
        "statuses": found.statuses,
        "refused": found.requests - found.statuses.get(200, 0) + found.errors + found.given_up,
        "peak_mib": max(memory),
        "answers_to_the_case": dict(answers),
    }
    console.print(case)
    return case


def _again(request: Callable[[httpx.Client], httpx.Response]) -> Attack:
    """A request again and again by two clients; each must be answered, whatever the answer."""

    def attack(server: Server, seconds: float) -> Counter[int]:
        end = time.monotonic() + seconds

        def ask(_: int) -> Counter[int]:
            statuses = Counter[int]()
            with httpx.Client(base_url=server.url, timeout=_PATIENCE) as client:
                while not statuses or time.monotonic() < end:
                    statuses[request(client).status_code] += 1
            return statuses

        with ThreadPoolExecutor(2) as clients:
            return sum(clients.map(ask, range(2)), Counter[int]())

    return attack


def _file(content: bytes) -> Attack:
    return _again(lambda client: client.post("/predict_csv", files={"file": ("a.csv", content)}))


def _body(path: str, body: dict[str, Any]) -> Attack:
    content, kind = json.dumps(body).encode(), {"Content-Type": "application/json"}
    return _again(lambda client: client.post(path, content=content, headers=kind))


def _connections(count: int, sent: Callable[[int], bytes], *, receive: int | None = None) -> Attack:
    """Connections that send something, take nothing, and stay."""

    def attack(server: Server, seconds: float) -> Counter[int]:
        url = urlsplit(server.url)
        opened = []
        try:
            for number in range(count):
                one = socket.socket()
                if receive:
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
                one.settimeout(_PATIENCE)
                one.connect((url.hostname, url.port))
                opened.append(one)
                with suppress(OSError):  # refused ones are closed while they send
                    one.sendall(sent(number))
            time.sleep(seconds)
        finally:
            for one in opened:
                one.close()
        return Counter()

    return attack


def _leaving(count: int, request: bytes, stay: float) -> Attack:
    """Clients that ask again and again, and each time close the connection after `stay` seconds without an answer."""

    def attack(server: Server, seconds: float) -> Counter[int]:
        url = urlsplit(server.url)
        end = time.monotonic() + seconds

        def ask(_: int) -> None:
            while time.monotonic() < end:
                with suppress(OSError), socket.create_connection((url.hostname, url.port), _PATIENCE) as one:
                    one.sendall(request)
                    time.sleep(stay)

        with ThreadPoolExecutor(count) as clients:
            list(clients.map(ask, range(count)))
        return Counter()

    return attack


def _upload(content: bytes, *, declared: int | None = None) -> bytes:
    body = _MULTIPART % content
    head = (
        "POST /predict_csv HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        f"Content-Length: {declared or len(body)}\r\n\r\n"
    )
    return head.encode() + body


_UNKNOWN: Final = {"title": "x", **{str(number): 1 for number in range(750)}}
_TITLE: Final = (
    b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 37\r\n\r\n"
    b'{"title": "Senate passes the budget"}'
)
_CHUNKED: Final = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"

ATTACKS: Final[dict[str, Attack]] = {
    "190,000 faulty rows": _file(b"title,text\n" + b",x\n" * 190_000),
    "10,000 faulty rows, answered": _file(b"title,text\n" + b",x\n" * 10_000),
    "20 MB of blank lines": _file(b"title\n" + b"\n" * 20_000_000 + b"x\n"),
    "20 MB behind an open quote": _file(b'title,text\nx,"' + b"\n" * 20_000_000),
    "a file of 5,000 titles": _file(b"title\n" + b"Senate passes the budget after a late vote\n" * 5_000),
    "1,000 titles": _body("/predict_batch", {"articles": [{"title": "Senate passes the budget"}] * 1_000}),
    "400 articles of 8,000 characters": _body(
        "/predict_batch", {"articles": [{"title": "A long read", "text": _LONG_TEXT}] * 400}
    ),
    "1,000 articles of 8,000 characters": _body(
        "/predict_batch", {"articles": [{"title": "A long read", "text": _LONG_TEXT}] * 1_000}
    ),
    "30 articles of 190,000 characters of markup": _body(
        "/predict_batch", {"articles": [{"title": "A long read", "text": _MARKUP}] * 30}
    ),
    "8 MiB that are no JSON": _body("/predict_batch", {"articles": "x" * (8 * 2**20 - 100)}),
    "720,000 unknown names": _body("/predict", {str(number): 1 for number in range(720_000)}),
    "1,000 articles of 750 unknown names": _body("/predict_batch", {"articles": [_UNKNOWN] * 1_000}),
    "an explanation of 8,000 characters": _body("/explain", {"title": "A long read", "text": _LONG_TEXT}),
    "4 clients that never read": _connections(
        4, lambda _: _upload(b"title\n" + b"Senate passes the budget\n" * 30_000), receive=4096
    ),
    "600 dead and half-sent connections": _connections(
        600, lambda number: (b"", b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-")[number % 2]
    ),
    "12 uploads of 32 MB that do not end": _connections(
        12, lambda _: _upload(b"title\n" + b"x" * 32_000_000, declared=100_000_000)
    ),
    "4 heads of 50 MB": _connections(4, lambda _: b"GET /livez HTTP/1.1\r\nX-A: " + b"x" * 50_000_000),
    "8 bodies with 50 MB of trailers": _connections(
        8, lambda _: _CHUNKED + b"2\r\n{}\r\n0\r\n" + b"X-A: 0123456789abcdef\r\n" * 2_200_000
    ),
    "4 bodies in 2,000,000 chunks of a byte": _connections(4, lambda _: _CHUNKED + b"1\r\n \r\n" * 2_000_000),
    "32 clients that leave after 5 ms": _leaving(32, _TITLE, 0.005),
    "50,000 requests ahead of their answers": _connections(
        1, lambda _: b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" * 50_000
    ),
}
"""What is done to the service, by name."""


def _measure_feedback(bench: "Bench", log: Path, seconds: float, lines: int) -> dict[str, Any]:
    """Labels while the day's log holds a million lines, by four clients at once; a tenth of the ids are unknown."""
    ids = _fill(PredictionLog(log), lines)
    with bench.service(log) as server:
        with httpx.Client(base_url=server.url, timeout=_PATIENCE) as client:

            def label(request_id: str, expected: int) -> float:
                begin = time.perf_counter()
                status = client.post("/feedback", json={"request_id": request_id, "label": 1}).status_code
                assert status == expected, status
                return 1000 * (time.perf_counter() - begin)

            deadline = time.monotonic() + _PATIENCE
            while (
                median(label(new_request_id(), 404) for _ in range(5)) > 100
            ):  # the lines are not indexed yet
                assert time.monotonic() < deadline, "the log was not indexed"
                time.sleep(1)
            bench.turn(server)
            asked = [(ids[number * len(ids) // LABELS], 200) for number in range(LABELS)]
            asked[::10] = [(new_request_id(), 404) for _ in asked[::10]]
            with _memory(server) as memory:
                took = sorted(starmap(label, asked))
        labels = _beside(bench, server, seconds, _labels(ids))
    return {
        "lines": lines,
        "p50_ms": median(took),
        "p99_ms": took[ceil(0.99 * len(took)) - 1],
        "max_ms": took[-1],
        "growth_mib": max(*memory, labels["peak_mib"]) - memory[0],
        "labels": labels,
    }


def _labels(ids: list[str]) -> Attack:
    remaining = iter(ids)

    def label(client: httpx.Client) -> httpx.Response:
        return client.post("/feedback", json={"request_id": next(remaining), "label": 0})

    return _again(label)


def _fill(log: PredictionLog, lines: int) -> list[str]:
    """Write lines of today as the service does. Returns the ids of their requests."""
    line = dict.fromkeys(PREDICTION_LOG_SCHEMA) | {
        "time": stamp(datetime.now(UTC)), "row": 1, "endpoint": "/predict", "article_id": "0" * 32,
        "probability": 0.5, "predicted_label": 1, "abstained": False, "out_of_distribution": False,
        "title_chars": 60, "text_chars": 0, "title": "x" * 60, "model_id": "0" * 64, "latency_ms": 5.0,
    }  # fmt: skip
    ids = [new_request_id() for _ in range(lines)]
    for begin in range(0, lines, _LINES_AT_ONCE):
        log.append("predictions", [line | {"request_id": one} for one in ids[begin : begin + _LINES_AT_ONCE]])
    log.close()
    return ids
