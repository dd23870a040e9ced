"""Measures comparable speeds of several classifiers, in alternating turns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy.stats import binom

from fakenews_assets.evaluation.metrics.speed import THROUGHPUT_BATCH
from fakenews_assets.models.classifier import Article, Classifier

_BATCHES_PER_TURN: Final = 2
_LEVEL: Final = 0.95
_FEWEST_TURNS: Final = 6
"""The median of fewer has no 95 % interval: all six lie on one side of it in one case of 32."""


class SpeedRatio(BaseModel):
    """How many times as fast one classifier is as another."""

    model_config = ConfigDict(frozen=True)

    ratio: float = Field(description="Median over the turns.")
    low: float = Field(description="Lower end of the 95 % interval of the median, over turns.")
    high: float
    turns: int


@dataclass(frozen=True)
class Speeds:
    """Durations of the turns that classifiers took in one session."""

    seconds: Mapping[str, Sequence[float]]
    """By name; the entries at one position belong to one turn."""
    rows: int
    """Articles of a turn."""

    @property
    def rows_per_second(self) -> dict[str, float]:
        """Articles per second in the median turn, by name."""
        return {name: self.rows / median(seconds) for name, seconds in self.seconds.items()}

    def ratio(self, name: str, reference: str) -> SpeedRatio:
        """Speed of one classifier over that of another, turn by turn.

        The interval lies between two order statistics, as many ranks from either end as the binomial distribution
        allows (Conover, "Practical Nonparametric Statistics", 1999, ch. 3.2): it assumes nothing of the durations.
        """
        ratios = np.sort(np.divide(self.seconds[reference], self.seconds[name]))
        turns = len(ratios)
        outside = max(0, int(binom.ppf((1 - _LEVEL) / 2, turns, 0.5)) - 1)
        low, high = ratios[outside], ratios[turns - 1 - outside]
        return SpeedRatio(ratio=float(np.median(ratios)), low=float(low), high=float(high), turns=turns)


def compare_speeds(
    classifiers: Mapping[str, Classifier],
    articles: Sequence[Article],
    *,
    seconds: float = 20.0,
    turns: int = 15,
) -> Speeds:
    """Time several classifiers at batch 32 on the same articles.

    They take turns, so that whatever else slows the machine slows all of them, and each turn begins with another one.

    Args:
        classifiers: what to time, loaded.
        articles: used in order, from the start again when they run out.
        seconds: no further turn begins after this time; six are always taken.
        turns: most turns of each classifier, after one that is not counted.

    Raises:
        ValueError: there are no articles.
    """
    if not articles:
        raise ValueError("Speed needs articles to predict; pass some rows of the selection split.")
    rows = _BATCHES_PER_TURN * THROUGHPUT_BATCH
    durations: dict[str, list[float]] = {name: [] for name in classifiers}
    names = list(classifiers)
    end = perf_counter() + seconds
    for turn in range(turns + 1):
        taken = [articles[(turn * rows + row) % len(articles)] for row in range(rows)]
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            start = perf_counter()
            for row in range(0, rows, THROUGHPUT_BATCH):
                classifiers[name].predict(taken[row : row + THROUGHPUT_BATCH])
            if turn:
                durations[name].append(perf_counter() - start)
        if turn >= _FEWEST_TURNS and perf_counter() >= end:
            break
    return Speeds(durations, rows)
