from collections.abc import Sequence

import numpy as np
import pytest

from fakenews_assets.evaluation.metrics.speed import SpeedConfig, measure_speed, processor_name
from fakenews_assets.models.classifier import Article, Predictions

ARTICLES = [Article(f"title {index}") for index in range(5)]


class TimedClassifier:
    """Takes 2 ms per request and 1 ms per article on a clock of its own; the first request takes 1 s."""

    def __init__(self) -> None:
        self.now = 0.0
        self.requests: list[list[str]] = []

    @property
    def name(self) -> str:
        return "timed"

    def clock(self) -> float:
        return self.now

    def predict(self, articles: Sequence[Article]) -> Predictions:
        self.now += 0.002 + 0.001 * len(articles) if self.requests else 1.0
        self.requests.append([article.title for article in articles])
        return Predictions.from_probability(np.full(len(articles), 0.5))


def test_latency_and_throughput_leave_the_warm_up_out():
    timed = TimedClassifier()
    config = SpeedConfig(single_repetitions=40, batch_repetitions=6, warm_up=2)

    speed = measure_speed(timed, ARTICLES, config, clock=timed.clock)

    assert (speed.latency_p50_ms, speed.latency_p95_ms) == pytest.approx((3, 3))
    assert speed.rows_per_second == pytest.approx(32 / 0.034)
    assert (speed.single_repetitions, speed.batch_repetitions) == (40, 6)
    assert [len(request) for request in timed.requests[:50]] == [1] * 42 + [32] * 8


def test_headlines_and_articles_are_timed_apart():
    class ByLength(TimedClassifier):
        """Takes 1 ms for the title and for each word of the text."""

        def predict(self, articles: Sequence[Article]) -> Predictions:
            self.now += sum(0.001 * (1 + len(article.text.split())) for article in articles)
            return Predictions.from_probability(np.full(len(articles), 0.5))

    timed, articles = ByLength(), [Article("a title", "three more words"), Article("no text")]
    speed = measure_speed(timed, articles, SpeedConfig(), clock=timed.clock)

    assert speed.latency_ms_by_words == pytest.approx({0: 1, 100: 101, 200: 201})


def test_articles_are_used_in_turn():
    timed = TimedClassifier()
    measure_speed(timed, ARTICLES, SpeedConfig(single_repetitions=7, warm_up=0), clock=timed.clock)

    assert [request[0] for request in timed.requests[:7]] == [f"title {index % 5}" for index in range(7)]


def test_the_time_limit_ends_each_measurement():
    timed = TimedClassifier()
    config = SpeedConfig(seconds=1.0095, warm_up=1)

    speed = measure_speed(timed, ARTICLES, config, clock=timed.clock)

    # The warm-up uses a second; 3 ms requests then pass the limit with the fourth.
    assert speed.single_repetitions == 4
    assert speed.batch_repetitions == 20


def test_one_prediction_is_timed_even_when_the_warm_up_uses_all_time():
    timed = TimedClassifier()
    speed = measure_speed(timed, ARTICLES, SpeedConfig(seconds=0.001), clock=timed.clock)

    assert (speed.single_repetitions, speed.batch_repetitions) == (1, 1)


def test_the_machine_is_named():
    timed = TimedClassifier()
    speed = measure_speed(timed, ARTICLES, SpeedConfig(), clock=timed.clock)

    assert speed.processor == processor_name() != ""
    assert speed.threads >= 1


def test_no_articles_is_an_error():
    with pytest.raises(ValueError, match="needs articles"):
        measure_speed(TimedClassifier(), [], SpeedConfig())
