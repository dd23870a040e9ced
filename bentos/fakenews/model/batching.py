"""Adaptive batching: one queue in front of one model, shared fairly.

While the model works, requests queue; when it is free, it takes a piece of each waiting one in turn as one batch. Batches
grow with the load, and a large request delays others by its pieces, not by all of it (round robin with a quantum, as
in Shreedhar and Varghese, "Efficient Fair Queuing Using Deficit Round Robin", SIGCOMM 1995).

Requests of one piece have a queue of their own, and together at least half of the model: however many large ones wait, a
single title waits for what is under way, and for at most as much of theirs as of its own kind.

Two batches of short requests are under way at once where enough waits: one is prepared, or its answers are written down
and sent, while the model works at the other. A large request would delay others twice as long that way.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Final, Generic, TypeVar

from starlette.requests import ClientDisconnect

from bentos.fakenews import metrics
from bentos.fakenews.model.jobs import PIECE_COST, Job, Piece, cost_of

T = TypeVar("T")

_LEAST_ROWS: Final = 8
"""Articles for which a batch beside another one is worth its while: of fewer, each costs the model more."""
_FORGET: Final = 0.8


class Overloaded(RuntimeError):
    """The request would wait longer than the limit."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the queue is {seconds:.1f} s long")
        self.retry_after = max(1, math.ceil(seconds))
        """Seconds."""


class _Queue(Generic[T]):
    """Jobs of one kind that wait, in order."""

    def __init__(self) -> None:
        self.jobs: deque[Job[T]] = deque()
        self.turn = 0
        """Cost of a piece of each."""


class Batcher(Generic[T]):
    """Runs one function over batches of pieces, in a few threads."""

    def __init__(
        self,
        run: Callable[[list[Piece[T]]], list[T]],
        *,
        max_rows: int,
        max_wait: float,
        max_backlog: float = 60,
        batch_seconds: float = 0.05,
        pace: float = 2000,
        at_once: int = 2,
    ) -> None:
        """Configure the batcher; `start` starts it.

        Args:
            run: called in one of the threads with pieces; returns an answer for each.
            max_rows: most articles in a batch.
            max_wait: seconds; a job that would wait longer for its first turn is refused.
            max_backlog: seconds; a job of several pieces is refused while so much work waits.
            batch_seconds: the batches under way are not expected to take longer together, unless each is as small as a piece.
            pace: initial estimate of the cost processed per second; measured afterwards.
            at_once: most batches under way, each in a thread.
        """
        self._run = run
        self._max_rows = max_rows
        self._max_wait = max_wait
        self._max_backlog = max_backlog
        self._batch_seconds = batch_seconds
        self._seconds = batch_seconds
        self._done = pace * batch_seconds
        self._at_once = at_once
        self._short: _Queue[T] = _Queue()
        self._many: _Queue[T] = _Queue()
        self._owed = 0.0
        self._rows = 0
        self._large = 0
        self._backlog = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._under_way = 0
        self._running = 0
        self._running_rows = 0
        self._ended = 0.0
        self._wake = asyncio.Event()
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="model")
        self._loop: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start answering, in the running event loop."""
        self._loop = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """Answer the waiting jobs, then stop."""
        while self._rows or self._under_way:
            await asyncio.sleep(0.01)
        if self._loop is not None:
            self._loop.cancel()
        self._threads.shutdown()

    @property
    def wait(self) -> float:
        """Expected seconds until the turn of a new job of one piece, by the measured pace."""
        short, many = self._short.turn, self._many.turn
        return (short + min(short, many) + self._running) / self._pace

    @property
    def wait_of_many(self) -> float:
        """The same until the first turn of a new job of several pieces."""
        return (self._short.turn + self._many.turn + self._running) / self._pace

    @property
    def _pace(self) -> float:
        return self._done / self._seconds

    def require_capacity(self, *, many: bool = False) -> None:
        """Raises Overloaded if the wait is too long for a job of one piece, or of `many`."""
        self._require(self.wait_of_many if many else self.wait, self._max_wait)

    def _require(self, seconds: float, most: float) -> None:
        if seconds > most:
            metrics.REFUSED.inc()
            raise Overloaded(seconds)

    async def submit(self, job: Job[T]) -> list[T]:
        """Queue a job and wait for its answers, a list in the order of its articles. Cancelling removes it.

        Raises:
            ClientDisconnect: its client has left before all was answered.
            Overloaded: it is the first job of its request and has several pieces, and the work that waits is too much.
        """
        if job.is_large and not job.is_begun:
            self._require((self._backlog + self._running) / self._pace, self._max_backlog)
            self.require_capacity(many=job.is_many)
        self._queue(job)
        self._wake.set()
        return await job.answer

    async def run_between(self, call: Callable[[], object]) -> None:
        """Run something in a thread of the model's. Batches wait for it, or share the processors with it."""
        await asyncio.get_running_loop().run_in_executor(self._threads, call)

    async def _work(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._may_begin() and (pieces := self._take()):
                self._count_running(pieces, 1)
                task = asyncio.create_task(self._answer(pieces))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    def _may_begin(self) -> bool:
        if not self._under_way:
            return self._rows > 0
        # Small batches between large ones would cost more than they save.
        least = max(_LEAST_ROWS, self._running_rows)
        return not self._large and self._under_way < self._at_once and self._rows >= least

    async def _answer(self, pieces: list[Piece[T]]) -> None:
        begin = perf_counter()
        try:
            answers = await asyncio.get_running_loop().run_in_executor(self._threads, self._run, pieces)
        except Exception as error:  # noqa: BLE001 - belongs to those who asked; the next batch may do better
            self._count_running(pieces, -1)
            for piece in pieces:
                if not piece.job.answer.done():
                    piece.job.answer.set_exception(error)
        else:
            self._count_running(pieces, -1)
            now = perf_counter()
            self._done = _FORGET * self._done + cost_of(pieces)
            # Time that two batches share counts once.
            self._seconds = _FORGET * self._seconds + now - max(begin, self._ended)
            self._ended = now
            for piece, answer in zip(pieces, answers, strict=True):
                self._keep(piece.job, answer)
        self._wake.set()

    def _keep(self, job: Job[T], answer: T) -> None:
        job.found.append(answer)
        if job.answer.done():  # it was cancelled, or an earlier piece has failed
            return
        if job.left:
            self._queue(job)
        else:
            job.answer.set_result(job.found)

    def _take(self) -> list[Piece[T]]:
        """A piece of each waiting job in turn, until the batch is full or has its share of what there is."""
        pieces: list[Piece[T]] = []
        at_once = 1 if self._large else self._at_once
        rows, cost = self._max_rows, max(self._pace * self._batch_seconds / at_once, PIECE_COST)
        share = max(_LEAST_ROWS, (self._rows + self._running_rows) / at_once)
        waiting = len(self._short.jobs) + len(self._many.jobs)
        turn = max(PIECE_COST, cost / max(1, waiting))
        while self._rows and rows and self._max_rows - rows < share:
            queue = self._next()
            job = queue.jobs[0]
            if job.answer.done() or job.has_left():
                self._unqueue(queue)
                if not job.answer.done():
                    job.answer.set_exception(ClientDisconnect())
                continue
            piece = job.next_piece(rows, min(turn, cost) if pieces else turn)
            if pieces and piece.cost > cost:
                break
            if queue is self._many:
                self._owed -= piece.cost
            else:
                self._owed += piece.cost * min(1, self._many.turn / queue.turn)
            self._unqueue(queue)
            pieces.append(piece)
            rows -= piece.end - piece.begin
            cost -= piece.cost
            job.taken = piece.end
            job.left -= piece.cost
        return pieces

    def _next(self) -> _Queue[T]:
        """Whose turn it is: large requests get as much as short ones, or less where fewer wait."""
        if self._short.jobs and self._many.jobs:
            return self._many if self._owed >= PIECE_COST else self._short
        self._owed = 0
        return self._short if self._short.jobs else self._many

    def _count_running(self, pieces: list[Piece[T]], sign: int) -> None:
        self._under_way += sign
        self._running += sign * cost_of(pieces)
        for piece in pieces:
            self._running_rows += sign * (piece.end - piece.begin)
            # Not in the queue meanwhile.
            self._large += sign * piece.job.is_large
            self._backlog += sign * piece.job.left

    def _queue(self, job: Job[T]) -> None:
        queue = self._many if job.is_many else self._short
        queue.jobs.append(job)
        self._count(queue, job, 1)

    def _unqueue(self, queue: _Queue[T]) -> None:
        self._count(queue, queue.jobs.popleft(), -1)

    def _count(self, queue: _Queue[T], job: Job[T], sign: int) -> None:
        rows = sign * (len(job.articles) - job.taken)
        self._rows += rows
        self._large += sign * job.is_large
        self._backlog += sign * job.left
        queue.turn += sign * min(job.left, PIECE_COST)
        metrics.QUEUED.inc(rows)
