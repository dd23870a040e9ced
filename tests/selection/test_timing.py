"""Speeds measured turn by turn."""

from collections.abc import Sequence

import numpy as np
import pytest

from fakenews_assets.models.classifier import Article, Predictions
from fakenews_assets.selection import timing
from fakenews_assets.selection.timing import Speeds, compare_speeds

ARTICLES = [Article(str(number)) for number in range(50)]


class Clock:
    """Stands still, unless somebody takes time."""

    def __init__(self) -> None:
        self.now = 0.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(timing, "perf_counter", lambda: clock.now)
    return clock


class Slow:
    def __init__(self, name: str, seconds: float, log: list[str], clock: Clock) -> None:
        self.name = name
        self.seconds = seconds
        self.log = log
        self.clock = clock

    def predict(self, articles: Sequence[Article]) -> Predictions:
        self.log.append(self.name)
        self.clock.now += self.seconds
        return Predictions.from_probability(np.zeros(len(articles)))


def test_they_take_turns_and_the_slower_one_is_slower(clock: Clock) -> None:
    log: list[str] = []
    contenders = {name: Slow(name, seconds, log, clock) for name, seconds in (("a", 0.001), ("b", 0.004))}
    speeds = compare_speeds(contenders, ARTICLES, turns=9)
    assert log == (["a"] * 2 + ["b"] * 4 + ["a"] * 2) * 5
    ratio = speeds.ratio("a", "b")
    assert (ratio.low, ratio.ratio, ratio.high) == pytest.approx((4, 4, 4))
    assert ratio.turns == 9
    assert speeds.rows_per_second["b"] == pytest.approx(32 / 0.004)


def test_time_ends_the_turns(clock: Clock) -> None:
    log: list[str] = []
    compare_speeds({"a": Slow("a", 0.01, log, clock)}, ARTICLES, seconds=0.01, turns=50)
    assert len(log) == 2 * (1 + 6)


def test_the_interval_of_a_ratio_holds_its_median() -> None:
    """In 95 of 100 sessions or more, whatever the noise looks like."""
    generator = np.random.default_rng(0)
    for turns in (6, 9, 15):
        held = []
        for _ in range(400):
            noise = generator.lognormal(0, 0.3, (2, turns)) + generator.pareto(3, (2, turns))
            ratio = Speeds({"a": list(noise[0]), "b": list(noise[1])}, 128).ratio("a", "b")
            held.append(ratio.low <= 1 <= ratio.high)
        assert np.mean(held) >= 0.95


def test_no_articles() -> None:
    with pytest.raises(ValueError, match="selection split"):
        compare_speeds({}, [])
