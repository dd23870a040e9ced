"""Confidence intervals of metrics over rows or clusters.

Accuracy and macro-F1 follow from how many rows of either class are called real and fake. Their intervals are those of
the posterior under Jeffreys' prior of these four shares (Brown, Cai and DasGupta, "Interval estimation for a binomial
proportion", Statistical Science 2001), drawn by the Bayesian bootstrap (Rubin, Annals of Statistics 1981) over rows or
clusters. A percentile or BCa bootstrap covers too seldom where errors are few: without an error its interval has no
width.

The other metrics have percentile bootstrap intervals (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993,
ch. 13). A resample is a vector of row weights: how often each row was drawn. Every metric is then a weighted sum or a
cumulative one, computed for many resamples at once.
"""

from collections.abc import Collection, Iterator
from typing import Final, Literal, get_args

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict

from fakenews_assets.models.metrics import validated

MetricName = Literal["accuracy", "macro_f1", "roc_auc", "pr_auc", "log_loss", "brier"]
"""Metrics with an interval. The calibration error has none: resampling adds noise to every bin and so
shifts it upwards, and a percentile interval would miss the value it belongs to."""

METRIC_NAMES: Final[tuple[MetricName, ...]] = get_args(MetricName)

_JEFFREYS: Final = 0.5
"""Prior weight, in rows, of each combination of class and call."""
_CELLS_AT_ONCE = 1_000_000
_MOST_UNDEFINED = 0.05

_Array = NDArray[np.float64]


class Interval(BaseModel):
    """A confidence interval."""

    model_config = ConfigDict(frozen=True)

    low: float
    high: float


def bootstrap_intervals(
    labels: ArrayLike,
    probabilities: ArrayLike,
    *,
    threshold: float = 0.5,
    clusters: ArrayLike | None = None,
    metrics: Collection[MetricName] = METRIC_NAMES,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[MetricName, Interval | None]:
    """Confidence intervals of metrics over rows or clusters.

    Args:
        labels: shape (n,), 1 for fake and 0 for real.
        probabilities: shape (n,), forecast probability of fake.
        threshold: decision threshold on P(fake).
        clusters: shape (n,), a name per row. Rows of one cluster are drawn together, because
            near-duplicates succeed or fail together and are not independent evidence. None draws rows.
        metrics: which metrics to compute.
        resamples: how many test sets to draw.
        level: coverage of the interval, in (0, 1).
        seed: equal seeds give equal intervals.

    Returns:
        An interval per metric, which holds the metric's value. None where the metric is undefined (one class only), and
        for metrics of forecasts where it is in more than 5 % of the resamples.

    Raises:
        ValueError: see `Metrics.of`; also when `clusters` has another length.
    """
    actual, forecast = validated(labels, probabilities)
    unit = sampling_units(clusters, actual.size)
    intervals = _intervals_of_counts(actual == 1, forecast >= threshold, unit, resamples, level, seed)
    of_forecasts: list[MetricName] = [name for name in metrics if name not in intervals]
    if of_forecasts:
        descending = np.argsort(-forecast, kind="stable")
        scorer = _Scorer(actual[descending], forecast[descending])
        resampled = resample_weights(unit[descending], resamples, np.random.default_rng(seed))
        parts = [scorer.scores(weights, of_forecasts) for weights in resampled]
        intervals |= {
            name: percentile_interval(np.concatenate([part[name] for part in parts]), level)
            for name in of_forecasts
        }
    return {name: intervals[name] for name in metrics}


def _intervals_of_counts(
    fake: NDArray[np.bool_],
    called: NDArray[np.bool_],
    unit: NDArray[np.intp],
    draws: int,
    level: float,
    seed: int,
) -> dict[MetricName, Interval | None]:
    """Intervals of accuracy and macro-F1 from draws of the posterior."""
    cells = np.zeros((int(unit.max()) + 1, 4))
    np.add.at(cells, (unit, 2 * fake + called), 1)
    units = len(cells)
    generator = np.random.default_rng(seed)
    # The rows of a cluster weigh as one observation, so the prior weighs as many rows as a cluster holds on average.
    parts = [
        generator.standard_gamma(1.0, (count, units)) @ cells
        + generator.standard_gamma(_JEFFREYS, (count, 4)) * (fake.size / units)
        for count in _counts_at_once(draws, units)
    ]
    drawn = _of_cells(np.concatenate(parts))
    intervals: dict[MetricName, Interval | None] = {}
    for name, observed in _of_cells(cells.sum(axis=0, keepdims=True)).items():
        interval, value = percentile_interval(drawn[name], level), float(observed[0])
        if interval is not None:
            # Without an error the draws all lie below the observed value.
            interval = Interval(low=min(interval.low, value), high=max(interval.high, value))
        intervals[name] = None if np.isnan(value) else interval
    return intervals


def _of_cells(cells: _Array) -> dict[MetricName, _Array]:
    """Accuracy and macro-F1 of test sets, from rows real called real, real called fake, fake called real and fake called fake."""
    right_real, false_alarm, missed, hit = cells.T
    rows = cells.sum(axis=1)
    return {
        "accuracy": (right_real + hit) / rows,
        "macro_f1": macro_f1_of_counts(rows, missed + hit, false_alarm + hit, hit),
    }


def _counts_at_once(draws: int, columns: int) -> Iterator[int]:
    """Parts of `draws` whose arrays of so many columns stay small."""
    step = max(1, _CELLS_AT_ONCE // columns)
    for start in range(0, draws, step):
        yield min(step, draws - start)


class _Scorer:
    """Weighted metrics of fixed forecasts, which come in descending order."""

    def __init__(self, actual: NDArray[np.int8], forecast: _Array) -> None:
        fake = actual.astype(np.float64)
        tiny = np.finfo(np.float64).eps
        likelihood = np.clip(np.where(fake == 1, forecast, 1 - forecast), tiny, 1.0)
        # Columns: fake, loss, squared error.
        self._sums = np.column_stack([fake, -np.log(likelihood), (forecast - fake) ** 2])
        self._fake = fake
        # Equal forecasts share one threshold, so curves have a point only at the last row of each tie.
        self._ends = np.flatnonzero(np.append(np.diff(forecast) != 0, True))

    def scores(self, weights: _Array, names: Collection[MetricName]) -> dict[MetricName, _Array]:
        """Score resamples: `weights` has shape (resamples, n); NaN where a metric is undefined."""
        rows = weights.sum(axis=1)
        fake, loss, squared = (weights @ self._sums).T
        real = rows - fake
        one_class = (fake == 0) | (real == 0)
        result: dict[MetricName, _Array] = {}
        if "log_loss" in names:
            result["log_loss"] = loss / rows
        if "brier" in names:
            result["brier"] = squared / rows
        if "roc_auc" in names or "pr_auc" in names:
            found = np.cumsum(weights * self._fake, axis=1)[:, self._ends]
            passed = np.cumsum(weights, axis=1)[:, self._ends]
            new_fake = np.diff(found, axis=1, prepend=0)
            some_fake, some_real = np.maximum(fake, 1), np.maximum(real, 1)
            if "roc_auc" in names:
                new_real = np.diff(passed, axis=1, prepend=0) - new_fake
                area = (new_real * (found - new_fake / 2)).sum(axis=1)
                result["roc_auc"] = np.where(one_class, np.nan, area / (some_fake * some_real))
            if "pr_auc" in names:
                area = (new_fake * found / np.maximum(passed, 1)).sum(axis=1)
                result["pr_auc"] = np.where(one_class, np.nan, area / some_fake)
        return result


def macro_f1_of_counts(rows: ArrayLike, fake: ArrayLike, called: ArrayLike, hits: ArrayLike) -> _Array:
    """Macro-F1 of many test sets at once; NaN where a set has one class only.

    Args:
        rows: articles in each set; this and the others have one shape, or broadcast to one.
        fake: articles that are fake.
        called: articles that are called fake.
        hits: fake articles that are called fake.
    """
    rows, fake, called, hits = (np.asarray(count, dtype=np.float64) for count in (rows, fake, called, hits))
    real, left_alone = rows - fake, rows - called
    # F1 is twice the hits over (articles of the class + articles called the class).
    f1_fake = 2 * hits / np.maximum(fake + called, 1)
    f1_real = 2 * (real - (called - hits)) / np.maximum(real + left_alone, 1)
    return np.where((fake == 0) | (real == 0), np.nan, (f1_fake + f1_real) / 2)


def macro_f1_of_predictions(predictions: pl.DataFrame) -> float | None:
    """Macro-F1 of `LABELLED_PREDICTION_SCHEMA`; None where the true labels are of one class."""
    fake, called = (predictions[name].to_numpy() == 1 for name in ("true_label", "predicted_label"))
    score = float(macro_f1_of_counts(fake.size, fake.sum(), called.sum(), (fake & called).sum()))
    return None if np.isnan(score) else score


def sampling_units(clusters: ArrayLike | None, rows: int) -> NDArray[np.intp]:
    """Number the units that a resample draws: the unit of each row, shape (rows,), from 0 without gaps.

    Raises:
        ValueError: `clusters` has another length than `rows`.
    """
    if clusters is None:
        return np.arange(rows)
    names = np.asarray(clusters)
    if names.shape != (rows,):
        raise ValueError(f"There are {rows} rows but the cluster names have shape {names.shape}.")
    return np.unique(names, return_inverse=True)[1]


def resample_weights(
    unit: NDArray[np.intp], resamples: int, generator: np.random.Generator
) -> Iterator[_Array]:
    """Draw units with replacement and yield row weights, a bounded number of resamples at a time.

    Args:
        unit: shape (n,), as `sampling_units` numbers them.
        resamples: how many test sets to draw in all.
        generator: the source of chance.

    Yields:
        How often each row was drawn, shape (resamples of this part, n).
    """
    units = int(unit.max()) + 1
    for count in _counts_at_once(resamples, unit.size):
        drawn = generator.integers(0, units, size=(count, units))
        drawn += np.arange(count)[:, np.newaxis] * units
        times = np.bincount(drawn.ravel(), minlength=count * units).reshape(count, units)
        yield times[:, unit].astype(np.float64)


def percentile_interval(values: _Array, level: float) -> Interval | None:
    """The middle `level` of the resampled values; None where more than 5 % of them are NaN."""
    defined = values[~np.isnan(values)]
    if defined.size < (1 - _MOST_UNDEFINED) * values.size:
        return None
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Interval(low=float(low), high=float(high))
