"""A load generator for the serving benchmark: HTTP/1.1 over kept connections, in a process of its own.

    python -m benchmarks.load --url http://127.0.0.1:3001 --titles FILE --clients 32 --seconds 10
    python -m benchmarks.load --url http://127.0.0.1:3001 --titles FILE --rate 500 --clients 256

Closed loop without --rate: each client sends its next request as soon as it has the answer to the one before.
Open loop with it: requests fall due at a fixed rate, whatever the server does, and latency counts from that
moment. So a request that finds every connection busy waits, and its wait counts. It shares the machine with the
server it measures; hence requests are made in advance and answers are barely parsed.
"""

import asyncio
import json
import math
import subprocess
import sys
import tempfile
import time
from array import array
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Annotated, Final, cast
from urllib.parse import urlsplit

import typer
import uvloop
from pydantic import TypeAdapter

FAILED: Final = 0
"""Stands for the status of a request that got no whole answer."""
GIVEN_UP: Final = -1
"""Stands for the status of a request that was never sent."""

_ANSWER_SECONDS: Final = 30.0
"""How long answers are waited for when nothing more is sent."""
_BACKOFF: Final = 0.05
"""Seconds a closed-loop client waits after an error, lest it spins."""
_IDLE_SECONDS: Final = 2.0
"""A connection unused for longer is not used again: the server may be closing it at this moment."""
_TICK: Final = 0.001
_REQUEST_ID: Final = b'"request_id":"'


@dataclass(frozen=True)
class Load:
    """What to send, and how."""

    url: str
    clients: int = 32
    """Connections, at most. In a closed loop each is a client."""
    seconds: float = 10.0
    """How long requests count, after the warm-up."""
    warm_up: float = 0.0
    """Seconds before that."""
    rate: float | None = None
    """Requests per second that fall due; None: closed loop."""
    rows: int = 1
    """Titles of a request; more than one go to /predict_batch."""
    classify: bool = False
    """Whether to ask as infinity is asked."""
    patience: float = 30.0
    """Seconds that a due request waits for a connection before it is given up."""
    ids: bool = False
    """Whether to keep the request ids of all answers of status 200, those outside the window too."""


@dataclass(frozen=True)
class Latency:
    """Percentiles in milliseconds."""

    p50: float
    p90: float
    p99: float
    max: float


@dataclass(frozen=True)
class Second:
    """The requests of one second of the window."""

    second: int
    requests: int
    statuses: dict[int, int]
    p99: float | None
    """Milliseconds, of the answers of status 200."""


@dataclass(frozen=True)
class Result:
    """What happened to the requests of the window: those answered in it (closed loop) or due in it (open loop)."""

    seconds: float
    """Length of the window."""
    began_at: float
    """Unix time at which the window began."""
    ended_at: float
    requests: int
    """Answered with whatever status."""
    rps: float
    """Answers of status 200 per second."""
    sent_rps: float
    """Requests per second that were really sent."""
    statuses: dict[int, int]
    """Answers by status."""
    errors: int
    """Connections refused or lost, answers cut short or never come."""
    given_up: int
    """Found no free connection in time; never sent."""
    latency: dict[int, Latency]
    """By status."""
    lag: Latency | None
    """How long after the moment it fell due the generator noticed a request: its own lateness. Open loop only."""
    cpu_seconds: float
    """Of the generator itself, in the window."""
    cpu_share: float
    """The same as a share of one core."""
    timeline: list[Second]
    request_ids: list[str]

    @property
    def ok(self) -> Latency:
        """Latency of the answers of status 200. Raises KeyError if there were none."""
        return self.latency[200]


RESULT: Final = TypeAdapter(Result)


def requests_for(load: Load, titles: Sequence[str]) -> list[bytes]:
    """Whole HTTP requests over the titles in their order."""
    if load.classify:
        path, bodies = "/classify", [{"model": "champion", "input": [title]} for title in titles]
    elif load.rows == 1:
        path, bodies = "/predict", [{"title": title} for title in titles]
    else:
        starts = range(0, len(titles) - load.rows + 1, load.rows)
        path = "/predict_batch"
        bodies = [{"articles": [{"title": title} for title in titles[at : at + load.rows]]} for at in starts]
    if not bodies:
        raise ValueError(f"{len(titles)} titles are too few for requests of {load.rows}.")
    host = urlsplit(load.url).netloc
    requests = []
    for body in bodies:
        content = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        requests.append(head.encode() + content)
    return requests


def read_answer(data: bytes) -> tuple[int, bytes, bool] | None:
    """Parse an answer.

    Returns:
        Status, body, and whether the connection stays open; None while the answer is not whole.

    Raises:
        ValueError: this is no HTTP/1.1 answer with a length or in chunks.
    """
    begin = data.find(b"\r\n\r\n")
    if begin < 0:
        return None
    head, begin = data[:begin].lower(), begin + 4
    if not head.startswith(b"http/1.1 "):
        raise ValueError("not HTTP/1.1")
    status, stays = int(head[9:12]), b"\r\nconnection: close" not in head
    at = head.find(b"\r\ncontent-length:")
    if at >= 0:
        end = begin + int(head[at + 17 :].split(b"\r\n", 1)[0])
        return (status, data[begin:end], stays) if len(data) >= end else None
    if b"\r\ntransfer-encoding: chunked" not in head:
        raise ValueError("neither a length nor chunks")
    body = _join_chunks(data, begin)
    return None if body is None else (status, body, stays)


def _join_chunks(data: bytes, at: int) -> bytes | None:
    body = b""
    while (line := data.find(b"\r\n", at)) >= 0:
        size = int(data[at:line].split(b";")[0], 16)
        at = line + 2 + size + 2
        if len(data) < at:
            return None
        if not size:
            return body
        body += data[line + 2 : at - 2]
    return None


class _Connection(asyncio.Protocol):
    """One connection; at most one request under way."""

    def __init__(self, generator: "_Generator") -> None:
        self.generator = generator
        self.transport: asyncio.Transport | None = None
        self.buffer = b""
        self.due: float | None = None  # of the request under way
        self.since = 0.0  # when it became idle

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.generator.opened(self)

    def send(self, request: bytes, due: float) -> None:
        assert self.transport is not None
        self.due = due
        self.transport.write(request)

    def close(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        if self.buffer:
            data = self.buffer + data
        try:
            answer = read_answer(data)
        except ValueError:
            self.close()
            return
        if answer is None:
            self.buffer = data
            return
        self.buffer = b""
        self.generator.answered(self, *answer)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self.transport = None
        self.generator.lost(self)


class _Generator:
    """The state of one run."""

    def __init__(self, load: Load, requests: Sequence[bytes]) -> None:
        self.load = load
        self.requests: Iterator[bytes] = cycle(requests)
        url = urlsplit(load.url)
        self.host, self.port = url.hostname or "127.0.0.1", url.port or 80
        self.waiting: deque[float] = deque()  # when the requests fell due that have no connection yet
        self.idle: list[_Connection] = []
        self.connections: set[_Connection] = set()
        self.connecting: set[asyncio.Task[None]] = set()
        self.under_way = self.released = 0
        # One entry per request, kept flat: a run may have millions.
        self.stamps, self.latencies, self.outcomes = array("d"), array("d"), array("h")
        self.lags = array("d")
        self.ids: list[str] = []
        self.start = self.begin = self.end = 0.0

    async def run(self) -> Result:
        """Send until the window ends, then wait for what is under way."""
        loop, load = asyncio.get_running_loop(), self.load
        self.start = time.perf_counter()
        self.begin = self.start + load.warm_up
        self.end = self.begin + load.seconds
        unix = time.time() - self.start
        if load.rate is None:
            self.waiting.extend([self.start] * load.clients)
            self.dispatch()
        else:
            loop.call_soon(self.tick)
        await asyncio.sleep(load.warm_up)
        cpu = time.process_time()
        await asyncio.sleep(self.end - time.perf_counter())
        cpu = time.process_time() - cpu
        await self._wind_up()
        return self._result(unix, cpu)

    def tick(self) -> None:
        """Release what has fallen due, and come back for the next."""
        rate, now = self.load.rate, time.perf_counter()
        assert rate is not None
        while (due := self.start + self.released / rate) <= now and due < self.end:
            self.waiting.append(due)
            self.lags.append(now - due)
            self.released += 1
        while self.waiting and now - self.waiting[0] > self.load.patience:
            self.record(self.waiting.popleft(), now, GIVEN_UP)
        self.dispatch()
        if due < self.end or self.waiting:
            delay = max(_TICK, due - now if due < self.end else _TICK)
            asyncio.get_running_loop().call_later(delay, self.tick)

    def dispatch(self) -> None:
        """Send what waits, as far as there are connections; open more if there may be."""
        while self.waiting and self.idle:
            connection = self.idle.pop()
            if connection.transport is None or time.perf_counter() - connection.since > _IDLE_SECONDS:
                self._drop(connection)
                continue
            self.under_way += 1
            connection.send(next(self.requests), self.waiting.popleft())
        room = self.load.clients - len(self.connections) - len(self.connecting)
        for _ in range(min(room, len(self.waiting) - len(self.connecting))):
            task = asyncio.get_running_loop().create_task(self._connect())
            self.connecting.add(task)
            task.add_done_callback(self.connecting.discard)

    def opened(self, connection: _Connection) -> None:
        self.connections.add(connection)
        self._rest(connection)
        self.dispatch()

    def answered(self, connection: _Connection, status: int, body: bytes, stays: bool) -> None:
        due, connection.due = connection.due, None
        if due is None:  # nobody asked
            self._drop(connection)
            return
        now = time.perf_counter()
        self.under_way -= 1
        self.record(due, now, status)
        if self.load.ids and status == 200:
            at = body.find(_REQUEST_ID) + len(_REQUEST_ID)
            self.ids.append(body[at : body.index(b'"', at)].decode())
        if stays:
            self._rest(connection)
        else:
            self._drop(connection)
        self._next(now)

    def lost(self, connection: _Connection) -> None:
        due, connection.due = connection.due, None
        self.connections.discard(connection)
        if due is not None:
            self.under_way -= 1
            self._failed(due)

    def record(self, due: float, now: float, outcome: int) -> None:
        self.stamps.append(now if self.load.rate is None else due)
        self.latencies.append(now - due)
        self.outcomes.append(outcome)

    async def _connect(self) -> None:
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: _Connection(self), self.host, self.port
            )
        except OSError:
            if self.waiting:
                self._failed(self.waiting.popleft())

    def _failed(self, due: float) -> None:
        self.record(due, time.perf_counter(), FAILED)
        if self.load.rate is None:
            asyncio.get_running_loop().call_later(_BACKOFF, lambda: self._next(time.perf_counter()))
        else:
            self.dispatch()

    def _next(self, now: float) -> None:
        if self.load.rate is None and now < self.end:
            self.waiting.append(now)
        if self.waiting:
            self.dispatch()

    def _rest(self, connection: _Connection) -> None:
        connection.since = time.perf_counter()
        self.idle.append(connection)

    def _drop(self, connection: _Connection) -> None:
        self.connections.discard(connection)
        connection.close()

    async def _wind_up(self) -> None:
        deadline = self.end + self.load.patience
        while self.load.rate is not None and self.waiting and time.perf_counter() < deadline:
            await asyncio.sleep(0.005)
        self.waiting.clear()
        deadline = time.perf_counter() + _ANSWER_SECONDS
        while self.under_way and time.perf_counter() < deadline:
            await asyncio.sleep(0.005)
        for task in list(self.connecting):
            task.cancel()
        for connection in list(self.connections):
            connection.close()  # counts what is still under way as failed
        await asyncio.sleep(0.01)

    def _result(self, unix: float, cpu: float) -> Result:
        load = self.load
        rows = [
            row
            for row in zip(self.stamps, self.latencies, self.outcomes, strict=True)
            if self.begin <= row[0] < self.end
        ]
        counts = Counter(outcome for _, _, outcome in rows)
        statuses = {status: count for status, count in sorted(counts.items()) if status > 0}
        return Result(
            seconds=load.seconds,
            began_at=unix + self.begin,
            ended_at=unix + self.end,
            requests=sum(statuses.values()),
            rps=counts[200] / load.seconds,
            sent_rps=(len(rows) - counts[GIVEN_UP]) / load.seconds,
            statuses=statuses,
            errors=counts[FAILED],
            given_up=counts[GIVEN_UP],
            latency={
                status: _percentiles([seconds for _, seconds, outcome in rows if outcome == status])
                for status in statuses
            },
            lag=_percentiles(self.lags) if self.lags else None,
            cpu_seconds=cpu,
            cpu_share=cpu / load.seconds,
            timeline=_timeline(rows, self.begin),
            request_ids=self.ids,
        )


def _percentiles(seconds: Sequence[float]) -> Latency:
    ordered = sorted(seconds)
    p50, p90, p99, last = (
        1000 * ordered[math.ceil(share * len(ordered)) - 1] for share in (0.5, 0.9, 0.99, 1.0)
    )
    return Latency(p50, p90, p99, last)


def _timeline(rows: Sequence[tuple[float, float, int]], begin: float) -> list[Second]:
    seconds: dict[int, list[tuple[float, int]]] = {}
    for stamp, latency, outcome in rows:
        seconds.setdefault(int(stamp - begin), []).append((latency, outcome))
    timeline = []
    for second, found in sorted(seconds.items()):
        good = [latency for latency, outcome in found if outcome == 200]
        statuses = dict(sorted(Counter(outcome for _, outcome in found).items()))
        timeline.append(Second(second, len(found), statuses, _percentiles(good).p99 if good else None))
    return timeline


async def generate(load: Load, titles: Sequence[str]) -> Result:
    """Put a load on a server, in the running event loop."""
    return await _Generator(load, requests_for(load, titles)).run()


class LoadProcess:
    """A load generator under way in a process of its own."""

    def __init__(self, load: Load, titles: Path) -> None:
        """Args: titles: a file with a JSON array of them."""
        options = {
            "url": load.url, "titles": titles, "clients": load.clients, "seconds": load.seconds,
            "warm-up": load.warm_up, "rate": load.rate, "rows": load.rows, "patience": load.patience,
        }  # fmt: skip
        given = [f"--{name}={value}" for name, value in options.items() if value is not None]
        # Into a file: a pipe that nobody reads yet would block it.
        self._answer = tempfile.TemporaryFile()  # noqa: SIM115
        given += [f"--{name}" for name in ("ids", "classify") if getattr(load, name)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.load", *given],
            cwd=Path(__file__).parents[1],
            stdout=self._answer,
        )

    def result(self) -> Result:
        """Wait for its end. Raises CalledProcessError if it failed; its message is on stderr."""
        code = self.process.wait()
        if code:
            raise subprocess.CalledProcessError(code, self.process.args)
        with self._answer as file:
            file.seek(0)
            return RESULT.validate_json(file.read())


def measure(load: Load, titles: Path) -> Result:
    """Put a load on a server from a process of its own, and wait for the result."""
    return LoadProcess(load, titles).result()


def main(
    url: Annotated[str, typer.Option(help="Server, such as http://127.0.0.1:3001.")],
    titles: Annotated[Path, typer.Option(help="JSON array of titles, sent in their order, again and again.")],
    clients: Annotated[int, typer.Option(min=1, help="Connections, at most.")] = 32,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long requests count.")] = 10.0,
    warm_up: Annotated[float, typer.Option(min=0, help="Seconds before that.")] = 0.0,
    rate: Annotated[float | None, typer.Option(help="Requests per second; without: closed loop.")] = None,
    rows: Annotated[int, typer.Option(min=1, help="Titles of a request.")] = 1,
    patience: Annotated[float, typer.Option(help="Longest wait for a connection, seconds.")] = 30.0,
    ids: Annotated[bool, typer.Option(help="List the request ids of all answers of status 200.")] = False,
    classify: Annotated[bool, typer.Option(help="Ask as infinity is asked.")] = False,
) -> None:
    """Put a load on a server and print the result as JSON."""
    load = Load(url, clients, seconds, warm_up, rate, rows, classify, patience, ids)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(generate(load, json.loads(titles.read_text())))
    sys.stdout.write(RESULT.dump_json(result, indent=None).decode() + "\n")


if __name__ == "__main__":
    typer.run(main)
