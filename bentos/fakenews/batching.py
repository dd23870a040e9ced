"""One queue in front of one model: requests that wait together are judged together.

Nothing waits for company. While the model works, requests gather; when it is free, it takes what is there, in
the order of arrival. So batches grow with the load and a lone request goes straight through.
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
    """The wait would be longer than promised."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the queue is {seconds:.1f} s long")
        self.retry_after = max(1, math.ceil(seconds))
        """Seconds."""


@dataclass(slots=True)
class Job(Generic[T]):
    """One request's articles, until they are answered."""

    request_id: str
    endpoint: str
    articles: Sequence[Article]
    rows: Sequence[int]
    """Rows within the request of the articles that go into the log: the first ones, or all."""
    received: float
    """`perf_counter` when the request came."""
    answer: "asyncio.Future[T]"
    cost: int = field(init=False)

    def __post_init__(self) -> None:
        self.cost = sum(map(_cost, self.articles))


class Batcher(Generic[T]):
    """Runs one function in one thread over batches of jobs."""

    def __init__(
        self, run: Callable[[list[Job[T]]], list[T]], *, max_rows: int, max_wait: float, pace: float = 2000
    ) -> None:
        """Prepare; `start` begins.

        Args:
            run: called in its own thread with some jobs; returns an answer for each.
            max_rows: articles per batch, unless a single job has more.
            max_wait: seconds; jobs that would wait longer are refused.
            pace: first guess of the cost that the model gets through in a second; measured from then on.
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
        """Begin to answer, in the running event loop."""
        self._loop = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """Answer what waits, then end."""
        while self._waiting or self._running:
            await asyncio.sleep(0.01)
        if self._loop is not None:
            self._loop.cancel()
        self._thread.shutdown()

    @property
    def wait(self) -> float:
        """Seconds that a job would wait if it came now, by the measured pace."""
        return (self._cost + self._running) / self._pace

    def require_capacity(self) -> None:
        """Raises Overloaded if the wait is too long."""
        if self.wait > self._max_wait:
            metrics.REFUSED.inc()
            raise Overloaded(self.wait)

    async def submit(self, job: Job[T]) -> T:
        """Wait for the answer. A caller that is cancelled leaves the queue."""
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
    """Roughly the tokens of an article, which is what a model takes time for; texts are cut at some length."""
    return 8 + min(len(article.title) + len(article.text), 2000) // 4
