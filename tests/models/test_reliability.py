import numpy as np
import pytest

from fakenews_assets.models.reliability import expected_calibration_error, reliability_bins


def _simulate(rows: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(3)
    truth = generator.uniform(0.05, 0.95, rows)
    return (generator.random(rows) < truth).astype(int), truth


def test_two_bins_by_hand():
    bins = reliability_bins([0, 1, 1, 1], [0.1, 0.3, 0.6, 0.8], bins=2)

    assert [one.rows for one in bins] == [2, 2]
    assert [one.mean_probability for one in bins] == pytest.approx([0.2, 0.7])
    assert [one.fake_share for one in bins] == pytest.approx([0.5, 1.0])
    assert expected_calibration_error(bins) == pytest.approx((0.3 + 0.3) / 2)


def test_bins_hold_equal_numbers_of_rows():
    labels, truth = _simulate(15_000)
    bins = reliability_bins(labels, truth**4, bins=15)

    assert [one.rows for one in bins] == pytest.approx([1000] * 15, abs=1)
    assert sum(one.rows for one in bins) == 15_000


def test_equal_forecasts_share_a_bin_in_any_order():
    labels, scores = np.array([0, 1] * 50), np.repeat([0.2, 0.2, 0.9, 0.9], 25)
    shuffled = np.random.default_rng(0).permutation(100)

    bins = reliability_bins(labels, scores, bins=10)
    assert [one.rows for one in bins] == [50, 50]
    assert reliability_bins(labels[shuffled], scores[shuffled], bins=10) == pytest.approx(bins)


def test_one_forecast_is_one_bin():
    (only,) = reliability_bins([0, 0, 0, 1], [0.5] * 4)

    assert (only.rows, only.fake_share) == (4, 0.25)


def test_a_calibrated_forecaster_scores_low_and_an_over_confident_one_high():
    labels, truth = _simulate()
    odds = truth / (1 - truth)
    over_confident = odds**4 / (1 + odds**4)

    assert expected_calibration_error(reliability_bins(labels, truth)) < 0.015
    assert expected_calibration_error(reliability_bins(labels, over_confident)) > 0.1
