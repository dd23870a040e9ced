"""The alarms on the shares of abstentions and deferred articles: how often it is false, and what it sees."""

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from fakenews_assets.models.predictions import PREDICTION_SCHEMA
from fakenews_assets.monitoring.drift.abstentions import (
    chance_share,
    compare_abstentions,
    compare_deferrals,
)
from fakenews_assets.monitoring.settings import DriftSettings


def answers(rows: int, abstained: int, out_of_distribution: int = 0) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "article_id": [str(row) for row in range(rows)],
            "probability": 0.5,
            "predicted_label": 1,
            "abstained": [row < abstained for row in range(rows)],
            "out_of_distribution": [row < out_of_distribution for row in range(rows)],
        },
        schema=PREDICTION_SCHEMA,
    )


def test_an_unchanged_service_raises_no_more_false_alarms_than_promised() -> None:
    """A month is judged against one draw of the reference, which may have few abstentions by chance."""
    generator, level, days, false = np.random.default_rng(0), 0.01, 0, 0
    for _ in range(100):
        share = generator.uniform(0.02, 0.5)
        reference_rows, rows = generator.integers(300, 2000), generator.integers(200, 1000)
        expected = generator.binomial(reference_rows, share)
        for abstained in generator.binomial(rows, share, 30):
            found = chance_share(int(abstained), int(rows), int(expected), int(reference_rows), level)
            false += abstained / rows > found
            days += 1
    assert false <= binom.ppf(0.999, days, level)


def test_the_default_level_spares_97_of_100_months() -> None:
    assert (1 - DriftSettings().abstention_level) ** 30 > 0.97


def test_two_thirds_without_an_answer_are_an_alarm() -> None:
    found = compare_abstentions(answers(200, 132, 20), answers(455, 69), DriftSettings())
    assert found.risen
    assert found.summary == (
        "66.0% of 200 articles got no answer (20 out of distribution); 15.2% in the evaluation, up to "
        f"{found.tolerated:.1%} is tolerated: too many."
    )


def test_few_points_more_do_not_matter_however_sure_they_are() -> None:
    found = compare_abstentions(answers(100_000, 14_000), answers(100_000, 10_000), DriftSettings())
    assert found.tolerated == pytest.approx(0.15)
    assert not found.risen
    assert found.summary.endswith("as evaluated.")


def test_fewer_abstentions_are_no_alarm() -> None:
    assert not compare_abstentions(answers(500, 0), answers(500, 100), DriftSettings()).risen


def test_a_cascade_that_defers_more_than_evaluated_is_told() -> None:
    def some(rows: int, deferred: int) -> NDArray[np.bool_]:
        return np.arange(rows) < deferred

    settings = DriftSettings()
    calm = compare_deferrals(some(400, 84), some(1_000, 200), settings)
    assert not calm.risen
    assert calm.summary.startswith("The first stage left 21.0% of 400 articles to the second; 20.0%")
    risen = compare_deferrals(some(400, 140), some(1_000, 200), settings)
    assert risen.risen
    assert risen.summary.endswith("too many.")
    # Five points more of few articles are chance.
    assert not compare_deferrals(some(40, 11), some(1_000, 200), settings).risen
