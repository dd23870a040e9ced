"""Measures comparable speeds of several classifiers, in alternating turns."""

import time
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Final

from fakenews_assets.evaluation.metrics.speed import THROUGHPUT_BATCH
from fakenews_assets.models.classifier import Article, Classifier

_BATCHES_PER_TURN: Final = 4


def compare_speeds(
    classifiers: Mapping[str, Classifier],
    articles: Sequence[Article],
    *,
    seconds: float = 20.0,
    turns: int = 9,
) -> dict[str, float]:
    """Articles per second at batch 32 of several classifiers, on the same articles.

    They take turns, so that whatever else slows the machine slows all of them; the median turn counts.

    Args:
        classifiers: what to time, loaded.
        articles: used in order, from the start again when they run out.
        seconds: no further turn begins after this time; one is always taken.
        turns: most turns of each classifier, after one that is not counted.

    Raises:
        ValueError: there are no articles.
    """
    if not articles:
        raise ValueError("Speed needs articles to predict; pass some rows of the test split.")
    rows = _BATCHES_PER_TURN * THROUGHPUT_BATCH
    durations: dict[str, list[float]] = {name: [] for name in classifiers}
    end = time.perf_counter() + seconds
    for turn in range(turns + 1):
        taken = [articles[(turn * rows + row) % len(articles)] for row in range(rows)]
        for name, classifier in classifiers.items():
            start = time.perf_counter()
            for first in range(0, rows, THROUGHPUT_BATCH):
                classifier.predict(taken[first : first + THROUGHPUT_BATCH])
            if turn:
                durations[name].append(time.perf_counter() - start)
        if turn and time.perf_counter() >= end:
            break
    return {name: rows / median(times) for name, times in durations.items()}
