"""Adaptive batching: one queue in front of one model.

While the model works, requests queue; when it is free, it takes all waiting ones as one batch, in order of arrival.
Batches grow with the load, and a single request never waits for others.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from time import perf_counter
from typing import Generic, TypeVar

from bentos.fakenews import metrics
from fakenews_assets.models.classifier import Article

T = TypeVar("T")


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
    answer: "asyncio.Future[T]"
    cost: int = field(init=False)

    def __post_init__(self) -> None:
        self.cost = sum(map(_cost, self.articles))


class Batcher(Generic[T]):
    """Runs one function in one thread over batches of jobs."""

    def __init__(
        self, run: Callable[[list[Job[T]]], list[T]], *, max_rows: int, max_wait: float, pace: float = 2000
    ) -> None:
        """Configure the batcher; `start` starts it.

        Args:
            run: called in its own thread with a list of jobs; returns an answer for each.
            max_rows: articles per batch, unless a single job has more.
            max_wait: seconds; a job that would wait longer is refused.
            pace: initial estimate of the cost processed per second; measured afterwards.
        """
        self._run = run
        self._max_rows = max_rows
        self._max_wait = max_wait
        self._pace = pace
        self._waiting: deque[Job[T]] = deque()
        self._cost = 0
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
        """Expected wait of a new job in seconds, by the measured pace."""
        return (self._cost + self._running) / self._pace

    def require_capacity(self) -> None:
        """Raises Overloaded if the wait is too long."""
        if self.wait > self._max_wait:
            metrics.REFUSED.inc()
            raise Overloaded(self.wait)

    async def submit(self, job: Job[T]) -> T:
        """Queue a job and wait for its answer. Cancelling removes the job from the queue."""
        self._waiting.append(job)
        self._cost += job.cost
        metrics.QUEUED.inc(len(job.articles))
        self._wake.set()
        return await job.answer

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            jobs = self._take()
            if not self._waiting:
                self._wake.clear()
            if not jobs:
                continue
            self._running = sum(job.cost for job in jobs)
            begin = perf_counter()
            try:
                answers = await loop.run_in_executor(self._thread, self._run, jobs)
            except Exception as error:  # noqa: BLE001 - belongs to those who asked; the next batch may do better
                for job in jobs:
                    if not job.answer.done():
                        job.answer.set_exception(error)
            else:
                # A mean that forgets: a fifth of it is the last batch.
                self._pace += 0.2 * (self._running / max(perf_counter() - begin, 1e-4) - self._pace)
                for job, answer in zip(jobs, answers, strict=True):
                    if not job.answer.done():
                        job.answer.set_result(answer)
            self._running = 0

    def _take(self) -> list[Job[T]]:
        jobs: list[Job[T]] = []
        rows = 0
        while self._waiting and (not jobs or rows + len(self._waiting[0].articles) <= self._max_rows):
            job = self._waiting.popleft()
            self._cost -= job.cost
            metrics.QUEUED.dec(len(job.articles))
            if not job.answer.done():  # else its client has gone
                jobs.append(job)
                rows += len(job.articles)
        return jobs


def _cost(article: Article) -> int:
    """Approximate number of tokens of an article, capped for long texts."""
    return 8 + min(len(article.title) + len(article.text), 2000) // 4
