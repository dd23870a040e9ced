"""Adaptive batching: one queue in front of one model, shared fairly.

While the model works, requests queue; when it is free, it takes a piece of each waiting one in turn as one batch. Batches
grow with the load, and a large request delays others by its pieces, not by all of it (round robin with a quantum, as
in Shreedhar and Varghese, "Efficient Fair Queuing Using Deficit Round Robin", SIGCOMM 1995).
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Final, Generic, TypeVar

from bentos.fakenews import metrics
from fakenews_assets.models.classifier import Article
from fakenews_assets.monitoring.log.records import UNKNOWN_CALLER, Caller

T = TypeVar("T")

_PIECE_COST: Final = 512
"""Most cost that a request has in one turn, unless a single article has more: a long article, or two dozen titles."""
_BATCH_COST: Final = 40
"""What a batch costs beside its articles. Without it the pace of single titles would be taken for that of articles."""
_FORGET: Final = 0.8


class Overloaded(RuntimeError):
    """The request would wait longer than the limit."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the queue is {seconds:.1f} s long")
        self.retry_after = max(1, math.ceil(seconds))
        """Seconds."""


@dataclass(slots=True)
class Job(Generic[T]):
    """The articles of one request."""

    request_id: str
    endpoint: str
    articles: Sequence[Article]
    rows: Sequence[int]
    """Row numbers within the request of the articles to log: the first ones, or all."""
    received: float
    """`perf_counter` at the start of the request."""
    answer: "asyncio.Future[list[T]]"
    """The answers to its pieces, in order."""
    caller: Caller = UNKNOWN_CALLER
    is_begun: bool = False
    """Whether earlier articles of the request are answered: the others are then not refused any more."""
    model: Any = None
    """For the function that answers."""
    costs: list[int] = field(init=False)
    left: int = field(init=False)
    """Cost of the articles that the model has not taken yet."""
    taken: int = field(init=False, default=0)
    """Articles that it has taken."""
    found: list[T] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.costs = [_cost(article) for article in self.articles]
        self.left = sum(self.costs)

    def next_piece(self, max_rows: int) -> "Piece[T]":
        """The next articles: at least one, and no more than `_PIECE_COST` in sum."""
        end, cost = self.taken + 1, self.costs[self.taken]
        while end < min(len(self.costs), self.taken + max_rows) and cost + self.costs[end] <= _PIECE_COST:
            cost += self.costs[end]
            end += 1
        return Piece(self, self.taken, end, cost)


@dataclass(frozen=True, slots=True, eq=False)
class Piece(Generic[T]):
    """Consecutive articles of a job, which the model takes at once."""

    job: Job[T]
    begin: int
    end: int
    cost: int

    @property
    def articles(self) -> Sequence[Article]:
        """The articles."""
        return self.job.articles[self.begin : self.end]

    @property
    def rows(self) -> Sequence[int]:
        """Row numbers within the request of those articles that are logged."""
        return self.job.rows[self.begin : self.end]


class Batcher(Generic[T]):
    """Runs one function in one thread over batches of pieces."""

    def __init__(
        self,
        run: Callable[[list[Piece[T]]], list[T]],
        *,
        max_rows: int,
        max_wait: float,
        max_backlog: float = 60,
        batch_seconds: float = 0.05,
        pace: float = 2000,
    ) -> None:
        """Configure the batcher; `start` starts it.

        Args:
            run: called in its own thread with pieces; returns an answer for each.
            max_rows: most articles in a batch.
            max_wait: seconds; a job that would wait longer for its first turn is refused.
            max_backlog: seconds; a job of several pieces is refused while so much work waits.
            batch_seconds: a batch of several pieces is not expected to take longer.
            pace: initial estimate of the cost processed per second; measured afterwards.
        """
        self._run = run
        self._max_rows = max_rows
        self._max_wait = max_wait
        self._max_backlog = max_backlog
        self._batch_seconds = batch_seconds
        self._seconds = batch_seconds
        self._done = pace * batch_seconds
        self._waiting: deque[Job[T]] = deque()
        self._backlog = 0
        self._turn = 0
        self._running = 0
        self._wake = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._loop: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start answering, in the running event loop."""
        self._loop = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """Answer the waiting jobs, then stop."""
        while self._waiting or self._running:
            await asyncio.sleep(0.01)
        if self._loop is not None:
            self._loop.cancel()
        self._thread.shutdown()

    @property
    def wait(self) -> float:
        """Expected seconds until the first turn of a new job, by the measured pace."""
        return (self._turn + self._running) / self._pace

    @property
    def _pace(self) -> float:
        return self._done / self._seconds

    def require_capacity(self) -> None:
        """Raises Overloaded if the wait is too long."""
        if self.wait > self._max_wait:
            metrics.REFUSED.inc()
            raise Overloaded(self.wait)

    async def submit(self, job: Job[T]) -> list[T]:
        """Queue a job and wait for its answers, a list in the order of its articles. Cancelling removes it.

        Raises:
            Overloaded: it is the first job of its request and has several pieces, and the work that waits is too much.
        """
        backlog = (self._backlog + self._running) / self._pace
        if job.left > _PIECE_COST and not job.is_begun and backlog > self._max_backlog:
            metrics.REFUSED.inc()
            raise Overloaded(backlog)
        self._queue(job)
        self._wake.set()
        return await job.answer

    async def run_between(self, call: Callable[[], object]) -> None:
        """Run something in the model's thread between two batches. Requests wait for it."""
        await asyncio.get_running_loop().run_in_executor(self._thread, call)

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            pieces = self._take()
            if not self._waiting:
                self._wake.clear()
            if not pieces:
                continue
            self._running = _BATCH_COST + sum(piece.cost for piece in pieces)
            begin = perf_counter()
            try:
                answers = await loop.run_in_executor(self._thread, self._run, pieces)
            except Exception as error:  # noqa: BLE001 - belongs to those who asked; the next batch may do better
                for piece in pieces:
                    if not piece.job.answer.done():
                        piece.job.answer.set_exception(error)
            else:
                self._done = _FORGET * self._done + self._running
                self._seconds = _FORGET * self._seconds + perf_counter() - begin
                for piece, answer in zip(pieces, answers, strict=True):
                    piece.job.found.append(answer)
                    if piece.end == len(piece.job.articles) and not piece.job.answer.done():
                        piece.job.answer.set_result(piece.job.found)
            self._running = 0

    def _take(self) -> list[Piece[T]]:
        """A piece of each waiting job in turn, until the batch is full."""
        pieces: list[Piece[T]] = []
        rows, cost = self._max_rows, self._pace * self._batch_seconds
        while self._waiting and rows:
            job = self._waiting[0]
            if job.answer.done():  # its client has left, or an earlier piece failed
                self._unqueue()
                continue
            piece = job.next_piece(rows)
            if pieces and piece.cost > cost:
                break
            self._unqueue()
            pieces.append(piece)
            rows -= piece.end - piece.begin
            cost -= piece.cost
            job.taken = piece.end
            job.left -= piece.cost
            if job.left:
                self._queue(job)
        return pieces

    def _queue(self, job: Job[T]) -> None:
        self._waiting.append(job)
        self._count(job, 1)

    def _unqueue(self) -> None:
        self._count(self._waiting.popleft(), -1)

    def _count(self, job: Job[T], sign: int) -> None:
        self._backlog += sign * job.left
        self._turn += sign * min(job.left, _PIECE_COST)
        metrics.QUEUED.inc(sign * (len(job.articles) - job.taken))


def _cost(article: Article) -> int:
    """Approximate number of tokens of an article, capped for long texts."""
    return 8 + min(len(article.title) + len(article.text), 2000) // 4
