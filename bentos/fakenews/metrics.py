"""Prometheus metrics of the service, shown under /metrics beside BentoML's own."""

import asyncio
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any, Final

from prometheus_client import Counter, Gauge, Histogram, generate_latest

REQUESTS: Final = Counter("fakenews_requests", "Answered requests.", ["endpoint", "status"])
CLIENT_REQUESTS: Final = Counter(
    "fakenews_client_requests", "Answered requests by the name of their API key.", ["client", "status"]
)
LATENCY: Final = Histogram(
    "fakenews_request_seconds",
    "From the first byte to the last of an answer.",
    ["endpoint"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 30.0, 300.0),
)
VERDICTS: Final = Counter("fakenews_verdicts", "Articles by verdict, abstentions included.", ["verdict"])
ABSTENTIONS: Final = Counter("fakenews_abstentions", "Articles on which the model abstained.", ["reason"])
SCORES: Final = Histogram(
    "fakenews_probability",
    "Calibrated probability of fake.",
    buckets=tuple(tenth / 10 for tenth in range(1, 11)),
)
BATCH_ROWS: Final = Histogram(
    "fakenews_batch_rows",
    "Articles in one model batch.",
    buckets=tuple(float(2**power) for power in range(11)),
)
DEFERRED: Final = Counter(
    "fakenews_deferred", "Articles that the first stage of a cascade left to the second."
)
REFUSED: Final = Counter("fakenews_refused", "Requests refused because the queue was too long.")
QUEUED: Final = Gauge("fakenews_queued_rows", "Articles waiting for the model.")
LOG_LOST: Final = Counter(
    "fakenews_log_lost", "Answers that could not be written to the prediction log. Alert on any increase."
)
LOG_BROKEN: Final = Gauge("fakenews_log_broken", "1 while the prediction log cannot be written.")
SWAPS: Final = Counter("fakenews_model_swaps", "Attempts to load a new champion.", ["outcome"])
SERVING: Final = Gauge("fakenews_serving", "1 while a champion is loaded; 0: every article is answered 503.")


def count_answers(records: Sequence[Mapping[str, Any]], rows: int) -> None:
    """Count a batch: how many articles it had, and its lines in the log."""
    BATCH_ROWS.observe(rows)
    unsure = out_of_distribution = fake = 0
    for record in records:
        SCORES.observe(record["probability"])
        unsure += record["abstained"]
        out_of_distribution += record["out_of_distribution"]
        fake += record["predicted_label"] and not record["abstained"]
    ABSTENTIONS.labels("out_of_distribution").inc(out_of_distribution)
    ABSTENTIONS.labels("uncertain").inc(unsure - out_of_distribution)
    VERDICTS.labels("unsure").inc(unsure)
    VERDICTS.labels("fake").inc(fake)
    VERDICTS.labels("real").inc(len(records) - unsure - fake)


class Exposition:
    """The metrics as text. Anybody may ask for it, so all who ask while one is made share the next."""

    REST: Final = 0.1
    """Least seconds from one to the next."""

    def __init__(self) -> None:
        self._next: asyncio.Task[bytes] | None = None
        self._turn = asyncio.Lock()
        self._made = -self.REST

    async def latest(self) -> bytes:
        """The metrics as they are after this call, not before."""
        if self._next is None:
            self._next = asyncio.create_task(self._make())
        return await asyncio.shield(self._next)

    async def _make(self) -> bytes:
        async with self._turn:
            await asyncio.sleep(max(0.0, self._made + self.REST - perf_counter()))
            self._next = None
            try:
                return generate_latest()
            finally:
                self._made = perf_counter()
