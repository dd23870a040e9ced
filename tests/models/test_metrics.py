import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    f1_score,
    log_loss,
    precision_score,
    recall_score,
    roc_auc_score,
)

from fakenews_assets.models.metrics import Confusion, Metrics


def test_hand_computed_values():
    # Calls at 0.5: real, fake, fake, real, fake. Right: rows 0, 2, 4.
    metrics = Metrics.of([0, 0, 1, 1, 1], [0.1, 0.6, 0.8, 0.3, 0.9])

    assert metrics.confusion == Confusion(real_as_real=1, real_as_fake=1, fake_as_real=1, fake_as_fake=2)
    assert metrics.accuracy == pytest.approx(3 / 5)
    assert metrics.fake_share == pytest.approx(3 / 5)
    assert (metrics.fake.precision, metrics.fake.recall) == pytest.approx((2 / 3, 2 / 3))
    assert (metrics.real.precision, metrics.real.recall) == pytest.approx((1 / 2, 1 / 2))
    assert metrics.macro_f1 == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert metrics.brier == pytest.approx((0.01 + 0.36 + 0.04 + 0.49 + 0.01) / 5)
    # Of the six pairs of a fake and a real row, only (0.3, 0.6) is in the wrong order.
    assert metrics.roc_auc == pytest.approx(5 / 6)
    assert (metrics.real.rows, metrics.fake.rows, metrics.rows) == (2, 3, 5)


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.9])
def test_agrees_with_scikit_learn(threshold: float):
    generator = np.random.default_rng(7)
    scores = generator.beta(0.5, 0.5, 500).astype(np.float32)
    labels = (generator.random(500) < scores).astype(int)
    metrics = Metrics.of(labels, scores, threshold)

    called = (scores >= threshold).astype(int)
    for label, one in enumerate((metrics.real, metrics.fake)):
        assert one.precision == pytest.approx(precision_score(labels, called, pos_label=label))
        assert one.recall == pytest.approx(recall_score(labels, called, pos_label=label))
        assert one.f1 == pytest.approx(f1_score(labels, called, pos_label=label))
    assert metrics.accuracy == pytest.approx(accuracy_score(labels, called))
    assert metrics.macro_f1 == pytest.approx(f1_score(labels, called, average="macro"))
    assert metrics.roc_auc == pytest.approx(roc_auc_score(labels, scores))
    assert metrics.pr_auc == pytest.approx(average_precision_score(labels, scores))
    assert metrics.log_loss == pytest.approx(log_loss(labels, scores.astype(np.float64)))


def test_a_row_at_the_threshold_is_called_fake():
    assert Metrics.of([1, 0], [0.7, 0.1], threshold=0.7).accuracy == 1


def test_one_class_leaves_ranking_and_macro_f1_undefined():
    metrics = Metrics.of([0, 0, 0], [0.1, 0.2, 0.7])

    assert metrics.accuracy == pytest.approx(2 / 3)
    assert metrics.roc_auc is None
    assert metrics.pr_auc is None
    assert metrics.macro_f1 is None
    assert metrics.fake.recall is None
    assert metrics.fake.precision == 0
    assert metrics.real.recall == pytest.approx(2 / 3)


def test_a_class_that_is_never_called_has_no_precision():
    metrics = Metrics.of([0, 1], [0.1, 0.2])

    assert metrics.fake.precision is None
    assert metrics.fake.recall == 0
    assert metrics.macro_f1 == pytest.approx((2 / 3 + 0) / 2)


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([], [], "no rows"),
        ([0, 1], [0.5], "one length"),
        ([0, 2], [0.5, 0.5], "must be 0"),
        ([0, 1], [0.5, float("nan")], "between 0 and 1"),
        ([0, 1], [0.5, 1.5], "between 0 and 1"),
    ],
)
def test_unusable_input_is_refused(labels: list[int], scores: list[float], message: str):
    with pytest.raises(ValueError, match=message):
        Metrics.of(labels, scores)


def test_json_round_trip_keeps_undefined_values():
    metrics = Metrics.of([1, 1], [0.9, 0.2])

    assert Metrics.model_validate_json(metrics.model_dump_json()) == metrics
