"""Generates load in one process: HTTP/1.1 over kept connections, each with at most one request under way."""

import asyncio
import time
from array import array
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import Final, cast
from urllib.parse import urlsplit

from benchmarks.load.http import read_answer, requests_for
from benchmarks.load.results import FAILED, GIVEN_UP, Load, Result, percentiles, timeline_of

_ANSWER_SECONDS: Final = 30.0
"""How long answers are waited for when nothing more is sent."""
_BACKOFF: Final = 0.05
"""Seconds a closed-loop client waits after an error, lest it spins."""
_IDLE_SECONDS: Final = 2.0
"""A connection unused for longer is not used again: the server may be closing it at this moment."""
_TICK: Final = 0.001
_REQUEST_ID: Final = b'"request_id":"'


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
                status: percentiles([seconds for _, seconds, outcome in rows if outcome == status])
                for status in statuses
            },
            lag=percentiles(self.lags) if self.lags else None,
            cpu_seconds=cpu,
            cpu_share=cpu / load.seconds,
            timeline=timeline_of(rows, self.begin),
            request_ids=self.ids,
        )


async def generate(load: Load, titles: Sequence[str]) -> Result:
    """Put a load on a server, in the running event loop."""
    return await _Generator(load, requests_for(load, titles)).run()
