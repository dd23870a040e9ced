"""Measures a classifier's latency and throughput on this machine."""

import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from threadpoolctl import threadpool_info

from fakenews_assets.models.classifier import Article, Classifier

THROUGHPUT_BATCH: Final = 32
LENGTHS: Final = (0, 100, 200)
"""Words of the timed texts. A word is about 1.3 tokens: a headline alone, and articles of about 128 and 256 tokens."""

_CPU_INFO: Final = Path("/proc/cpuinfo")


def length_name(words: int) -> str:
    """What an article with so many words of text is called in reports."""
    return f"title and {words} words" if words else "a headline alone"


class SpeedConfig(BaseModel):
    """Settings of the speed measurement. Each of its parts ends at the first limit that is reached."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    single_repetitions: int = Field(default=200, ge=1, description="Timed predictions of one article.")
    batch_repetitions: int = Field(default=20, ge=1, description="Timed predictions of 32 articles.")
    length_repetitions: int = Field(default=50, ge=1, description="Timed predictions of each length of text.")
    warm_up: int = Field(default=3, ge=0, description="Predictions of each size before the clock counts.")
    seconds: float = Field(default=5.0, gt=0, description="Time limit of each measurement.")


class Speed(BaseModel):
    """Latency of one article and throughput at batch 32, with what they were measured on."""

    model_config = ConfigDict(frozen=True)

    latency_p50_ms: float
    latency_p95_ms: float
    single_repetitions: int = Field(description="Predictions behind the two latencies.")
    rows_per_second: float
    batch_repetitions: int = Field(description="Predictions of 32 articles behind the throughput.")
    latency_ms_by_words: dict[int, float] = Field(
        description="Median latency of one article with a text of so many words; 0: the headline alone."
    )
    threads: int = Field(description="Largest thread pool of the numerical libraries in the process.")
    processor: str


def measure_speed(
    classifier: Classifier,
    articles: Sequence[Article],
    config: SpeedConfig,
    *,
    clock: Callable[[], float] = time.perf_counter,
) -> Speed:
    """Time predictions of one article and of 32 articles, and of one article with a text of each of `LENGTHS`.

    The articles are used in turn, from the start again when they run out. At least one prediction of
    each kind is timed, so one very slow prediction can overrun the time limit.

    Args:
        classifier: what to time, already loaded.
        articles: what to predict; take them from the test split, since length decides the speed.
        config: how long to measure.
        clock: seconds, from any start.

    Raises:
        ValueError: there are no articles.
    """
    if not articles:
        raise ValueError("Speed needs articles to predict; pass some rows of the test split.")
    single = _time(classifier, articles, 1, config.single_repetitions, config, clock)
    batch = _time(classifier, articles, THROUGHPUT_BATCH, config.batch_repetitions, config, clock)
    by_words = {
        words: _time(classifier, _with_words(articles, words), 1, config.length_repetitions, config, clock)
        for words in LENGTHS
    }
    p50, p95 = np.quantile(single, [0.5, 0.95]) * 1000
    return Speed(
        latency_p50_ms=float(p50),
        latency_p95_ms=float(p95),
        single_repetitions=len(single),
        rows_per_second=len(batch) * THROUGHPUT_BATCH / sum(batch),
        batch_repetitions=len(batch),
        latency_ms_by_words={words: 1000 * float(np.median(taken)) for words, taken in by_words.items()},
        threads=thread_count(),
        processor=processor_name(),
    )


def thread_count() -> int:
    """Return the size of the largest thread pool that a loaded numerical library would use."""
    pools = [int(pool["num_threads"]) for pool in threadpool_info()]
    return max(pools, default=os.cpu_count() or 1)


def processor_name() -> str:
    """Return the processor's model name, or its architecture where the system does not tell."""
    if _CPU_INFO.exists():
        for line in _CPU_INFO.read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def _time(
    classifier: Classifier,
    articles: Sequence[Article],
    size: int,
    repetitions: int,
    config: SpeedConfig,
    clock: Callable[[], float],
) -> list[float]:
    batches = _batches(articles, size)
    end = clock() + config.seconds
    for batch in islice(batches, config.warm_up):
        classifier.predict(batch)
        if clock() >= end:
            break
    durations = []
    for batch in islice(batches, repetitions):
        start = clock()
        classifier.predict(batch)
        durations.append(clock() - start)
        if clock() >= end:
            break
    return durations


def _batches(articles: Sequence[Article], size: int) -> Iterator[list[Article]]:
    endless = cycle(articles)
    while True:
        yield list(islice(endless, size))


def _with_words(articles: Sequence[Article], words: int) -> list[Article]:
    """The same titles with texts of so many words, repeated where they are shorter."""
    return [
        Article(
            article.title, " ".join(islice(cycle((article.text or article.title).split() or [""]), words))
        )
        for article in articles
    ]
