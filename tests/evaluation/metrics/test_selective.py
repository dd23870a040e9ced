"""The risk-coverage curve, against its definition."""

import numpy as np
import pytest

from fakenews_assets.evaluation.metrics.selective import RiskCoverage, RiskCoverageCurve


def test_the_surest_answers_come_first():
    labels = [1, 0, 1, 0, 1]
    probabilities = [0.95, 0.1, 0.2, 0.6, 0.7]  # sure by 0.95, 0.9, 0.8 (wrong), 0.6 (wrong), 0.7
    curve = RiskCoverageCurve.of(labels, probabilities, 0.5)
    assert curve.coverage.tolist() == [0.2, 0.4, 0.6, 0.8, 1.0]
    np.testing.assert_allclose(curve.risk, [0, 0, 1 / 3, 1 / 4, 2 / 5])
    assert (curve.at(0.2), curve.at(0.5), curve.at(1)) == (0, pytest.approx(1 / 3), pytest.approx(2 / 5))

    numbers = RiskCoverage.of(labels, probabilities, 0.5)
    assert numbers.aurc == pytest.approx((1 / 3 + 1 / 4 + 2 / 5) / 5)
    assert numbers.lowest_aurc == pytest.approx((1 / 4 + 2 / 5) / 5)
    assert numbers.risks[1.0] == pytest.approx(2 / 5)
    assert RiskCoverage.model_validate_json(numbers.model_dump_json()) == numbers


def test_equally_sure_answers_count_whatever_their_order():
    labels, probabilities = np.array([1, 0, 0, 1]), np.array([0.9, 0.9, 0.9, 0.2])
    expected = RiskCoverageCurve.of(labels, probabilities, 0.5).risk
    np.testing.assert_allclose(expected[:3], 2 / 3)
    for order in ([2, 1, 0, 3], [3, 0, 1, 2]):
        found = RiskCoverageCurve.of(labels[order], probabilities[order], 0.5).risk
        np.testing.assert_allclose(found, expected)


def test_the_threshold_decides_which_label_one_is_sure_of():
    curve = RiskCoverageCurve.of([1, 0], [0.6, 0.1], 0.7)
    np.testing.assert_allclose(curve.risk, [0, 0.5])  # 0.6 is called real, unsurely and wrongly


@pytest.mark.parametrize(("flip", "aurc"), [(0.0, 0.0), (1.0, 1.0)])
def test_always_right_and_always_wrong(flip: float, aurc: float):
    labels = np.array([0, 1, 0, 1, 1])
    numbers = RiskCoverage.of(labels, np.abs(flip - labels * 0.8 - 0.1), 0.5)
    assert numbers.aurc == numbers.lowest_aurc == pytest.approx(aurc)
