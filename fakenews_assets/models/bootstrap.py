"""Percentile bootstrap intervals (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, ch. 13).

A resample is a vector of row weights: how often each row was drawn. Every metric is then a weighted sum
or a cumulative one, computed for many resamples at once.
"""

from collections.abc import Collection, Iterator
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict

from fakenews_assets.models.metrics import validated

MetricName = Literal["accuracy", "macro_f1", "roc_auc", "pr_auc", "log_loss", "brier"]
"""Metrics with an interval. The calibration error has none: resampling adds noise to every bin and so
shifts it upwards, and a percentile interval would miss the value it belongs to."""

METRIC_NAMES: Final[tuple[MetricName, ...]] = get_args(MetricName)

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
    """Bootstrap confidence intervals of metrics over rows or clusters.

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
        An interval per metric, or None where more than 5 % of the resamples leave the metric undefined
        (one class only).

    Raises:
        ValueError: see `Metrics.of`; also when `clusters` has another length.
    """
    actual, forecast = validated(labels, probabilities)
    unit = sampling_units(clusters, actual.size)
    descending = np.argsort(-forecast, kind="stable")
    scorer = _Scorer(actual[descending], forecast[descending], threshold)
    chunks: dict[MetricName, list[_Array]] = {name: [] for name in metrics}
    for weights in resample_weights(unit[descending], resamples, np.random.default_rng(seed)):
        for name, values in scorer.scores(weights, chunks.keys()).items():
            chunks[name].append(values)
    return {name: percentile_interval(np.concatenate(values), level) for name, values in chunks.items()}


class _Scorer:
    """Weighted metrics of fixed forecasts, which come in descending order."""

    def __init__(self, actual: NDArray[np.int8], forecast: _Array, threshold: float) -> None:
        fake = actual.astype(np.float64)
        called = forecast >= threshold
        tiny = np.finfo(np.float64).eps
        likelihood = np.clip(np.where(fake == 1, forecast, 1 - forecast), tiny, 1.0)
        # Columns: fake, fake called fake, called fake, correct, loss, squared error.
        self._sums = np.column_stack(
            [fake, fake * called, called, called == fake, -np.log(likelihood), (forecast - fake) ** 2]
        )
        self._fake = fake
        # Equal forecasts share one threshold, so curves have a point only at the last row of each tie.
        self._ends = np.flatnonzero(np.append(np.diff(forecast) != 0, True))

    def scores(self, weights: _Array, names: Collection[MetricName]) -> dict[MetricName, _Array]:
        """Score resamples: `weights` has shape (resamples, n); NaN where a metric is undefined."""
        rows = weights.sum(axis=1)
        fake, hits, called, correct, loss, squared = (weights @ self._sums).T
        real = rows - fake
        one_class = (fake == 0) | (real == 0)
        result: dict[MetricName, _Array] = {}
        if "accuracy" in names:
            result["accuracy"] = correct / rows
        if "log_loss" in names:
            result["log_loss"] = loss / rows
        if "brier" in names:
            result["brier"] = squared / rows
        if "macro_f1" in names:
            result["macro_f1"] = macro_f1_of_counts(rows, fake, called, hits)
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
    step = max(1, _CELLS_AT_ONCE // unit.size)
    for start in range(0, resamples, step):
        count = min(step, resamples - start)
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
