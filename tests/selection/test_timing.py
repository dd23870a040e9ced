"""Speeds measured turn by turn."""

import time
from collections.abc import Sequence

import numpy as np
import pytest

from fakenews_assets.models.classifier import Article, Predictions
from fakenews_assets.selection.timing import compare_speeds

ARTICLES = [Article(str(number)) for number in range(50)]


class Slow:
    def __init__(self, name: str, seconds: float, log: list[str]) -> None:
        self.name = name
        self.seconds = seconds
        self.log = log

    def predict(self, articles: Sequence[Article]) -> Predictions:
        self.log.append(self.name)
        time.sleep(self.seconds)
        return Predictions.from_probability(np.zeros(len(articles)))


def test_they_take_turns_and_the_slower_one_is_slower() -> None:
    log: list[str] = []
    contenders = {name: Slow(name, seconds, log) for name, seconds in (("a", 0.001), ("b", 0.004))}
    speeds = compare_speeds(contenders, ARTICLES, turns=3)
    assert log == (["a"] * 4 + ["b"] * 4) * 4
    assert 2 < speeds["a"] / speeds["b"] < 6
    assert speeds["b"] < 32 / 0.004


def test_time_ends_the_turns() -> None:
    log: list[str] = []
    compare_speeds({"a": Slow("a", 0.01, log)}, ARTICLES, seconds=0.01, turns=50)
    assert len(log) == 8


def test_no_articles() -> None:
    with pytest.raises(ValueError, match="test split"):
        compare_speeds({}, [])
