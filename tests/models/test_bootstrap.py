import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from fakenews_assets.models.bootstrap import METRIC_NAMES, bootstrap_intervals
from fakenews_assets.models.metrics import Metrics


def _simulate(rows: int, seed: int, accuracy: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, rows)
    says_fake = np.where(generator.random(rows) < accuracy, labels, 1 - labels)
    return labels, np.where(says_fake == 1, 0.8, 0.2)


def test_metrics_of_forecasts_equal_their_point_value_when_all_rows_are_one_cluster():
    generator = np.random.default_rng(5)
    scores = generator.random(200).round(1)  # many ties
    labels = (generator.random(200) < scores).astype(int)
    metrics = Metrics.of(labels, scores, threshold=0.4)

    intervals = bootstrap_intervals(labels, scores, threshold=0.4, clusters=np.zeros(200), resamples=10)

    assert set(intervals) == set(METRIC_NAMES)
    for name, interval in intervals.items():
        assert interval is not None
        value = getattr(metrics, name)
        if name in ("accuracy", "macro_f1"):  # one observation says next to nothing
            assert interval.low < value - 0.2
            assert value <= interval.high
        else:
            assert (interval.low, interval.high) == pytest.approx((value, value))


def test_two_clusters_are_drawn_whole():
    generator = np.random.default_rng(6)
    scores = generator.random(120).round(2)
    noise = np.repeat([0.2, 0.6], 60)
    labels = ((scores + generator.normal(0, noise)) > 0.5).astype(int)
    halves = (slice(0, 60), slice(60, 120))

    intervals = bootstrap_intervals(
        labels, scores, clusters=["a"] * 60 + ["b"] * 60, metrics=("roc_auc", "pr_auc")
    )

    # A quarter of the resamples is twice the first half, another quarter twice the second.
    pairs = ((intervals["roc_auc"], roc_auc_score), (intervals["pr_auc"], average_precision_score))
    for interval, score in pairs:
        assert interval is not None
        ends = sorted(score(labels[half], scores[half]) for half in halves)
        assert [interval.low, interval.high] == pytest.approx(ends)


@pytest.mark.parametrize("accuracy", [0.8, 0.95, 0.98])
@pytest.mark.parametrize("rows", [50, 400])
def test_intervals_cover_the_truth(rows: int, accuracy: float):
    """Of 400 intervals of 50 rows at 98 % accuracy the percentile bootstrap's covered 264, BCa's as many."""
    covered = {"accuracy": 0, "macro_f1": 0}
    for seed in range(400):
        labels, scores = _simulate(rows, seed, accuracy)
        intervals = bootstrap_intervals(labels, scores, metrics=("accuracy", "macro_f1"), resamples=400)
        for name in covered:
            interval = intervals[name]  # pyright: ignore[reportArgumentType]
            assert interval is not None
            # Both classes are as frequent and as often right, so the two metrics have one true value.
            covered[name] += interval.low <= accuracy <= interval.high

    assert min(covered.values()) >= 0.92 * 400
    assert max(covered.values()) < 400


def test_copies_in_clusters_do_not_narrow_the_interval():
    labels, scores = _simulate(200, seed=1)
    copies, clusters = 9, np.repeat(np.arange(200), 9)

    def width(labels: np.ndarray, scores: np.ndarray, clusters: np.ndarray | None = None) -> float:
        interval = bootstrap_intervals(labels, scores, clusters=clusters, metrics=("accuracy",))["accuracy"]
        assert interval is not None
        return interval.high - interval.low

    honest = width(labels, scores)
    repeated = np.repeat(labels, copies), np.repeat(scores, copies)
    assert width(*repeated, clusters) == pytest.approx(honest, rel=0.15)
    assert width(*repeated) == pytest.approx(honest / 3, rel=0.15)


def test_a_higher_level_is_wider_and_a_seed_repeats():
    labels, scores = _simulate(300, seed=2)

    first, again = (bootstrap_intervals(labels, scores, seed=4) for _ in range(2))
    wide = bootstrap_intervals(labels, scores, seed=4, level=0.99)
    assert first == again
    assert first["accuracy"] != bootstrap_intervals(labels, scores, seed=5, resamples=999)["accuracy"]
    for name in METRIC_NAMES:
        narrow, wider = first[name], wide[name]
        assert narrow is not None
        assert wider is not None
        assert wider.low <= narrow.low < narrow.high <= wider.high


def test_one_class_has_intervals_only_where_the_metric_is_defined():
    intervals = bootstrap_intervals([1] * 50, np.linspace(0.2, 0.9, 50))

    assert {name for name, interval in intervals.items() if interval is None} == {
        "macro_f1",
        "roc_auc",
        "pr_auc",
    }


def test_without_an_error_the_interval_still_has_a_width():
    labels, scores = _simulate(50, seed=0, accuracy=1)
    interval = bootstrap_intervals(labels, scores)["accuracy"]

    assert interval is not None
    assert 0.9 < interval.low < 0.97
    assert interval.high == 1


def test_no_interval_when_a_class_is_often_missing_from_the_resamples():
    # One fake row of forty is absent from 36 % of the resamples.
    assert bootstrap_intervals([1] + [0] * 39, [0.5] * 40, metrics=("roc_auc",)) == {"roc_auc": None}


def test_unusable_input_is_refused():
    with pytest.raises(ValueError, match="no rows"):
        bootstrap_intervals([], [])
    with pytest.raises(ValueError, match="cluster names"):
        bootstrap_intervals([0, 1], [0.2, 0.8], clusters=["a"])
