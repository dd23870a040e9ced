"""Paired comparison of two candidates on the same rows: McNemar's test and paired bootstrap."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.stats import binomtest

from fakenews_assets.models.bootstrap import (
    macro_f1_of_counts,
    percentile_interval,
    resample_weights,
    sampling_units,
)
from fakenews_assets.models.metrics import validated


class McNemar(BaseModel):
    """Result of McNemar's test."""

    model_config = ConfigDict(frozen=True)

    only_first_right: int
    only_second_right: int
    p_value: float = Field(
        description="Two-sided: the chance of a split at least as uneven if both were equally often right."
    )


class PairedDifference(BaseModel):
    """Macro-F1 of the second candidate minus that of the first, as a number between -1 and 1."""

    model_config = ConfigDict(frozen=True)

    difference: float
    low: float
    high: float

    @property
    def significantly_worse(self) -> bool:
        """The second candidate is worse over the whole interval."""
        return self.high < 0

    @property
    def significantly_better(self) -> bool:
        """The second candidate is better over the whole interval."""
        return self.low > 0


def mcnemar(labels: ArrayLike, first: ArrayLike, second: ArrayLike) -> McNemar:
    """Test whether two candidates are equally often right, exactly, on the rows where they differ.

    McNemar, "Note on the sampling error of the difference between correlated proportions or percentages",
    Psychometrika 1947; exact by the binomial distribution, so that few differing rows need no correction.

    Args:
        labels: shape (n,), 1 for fake and 0 for real.
        first: shape (n,), decisions of one candidate, 1 or 0.
        second: shape (n,), decisions of the other.

    Raises:
        ValueError: no rows, different lengths, or a value other than 0 and 1.
    """
    actual, one, other = _validated(labels, first, second)
    only_first = int(((one == actual) & (other != actual)).sum())
    only_second = int(((one != actual) & (other == actual)).sum())
    differing = only_first + only_second
    p_value = float(binomtest(only_first, differing).pvalue) if differing else 1.0
    return McNemar(only_first_right=only_first, only_second_right=only_second, p_value=p_value)


def paired_bootstrap(
    labels: ArrayLike,
    first_decisions: ArrayLike,
    second_decisions: ArrayLike,
    clusters: ArrayLike | None = None,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> PairedDifference:
    """Estimate the difference in macro-F1, with a percentile interval over paired resamples.

    Args:
        labels: shape (n,), 1 for fake and 0 for real.
        first_decisions: shape (n,), 1 or 0.
        second_decisions: shape (n,), 1 or 0.
        clusters: shape (n,), as in `bootstrap_intervals`: near-duplicates are drawn together.
        resamples: how many test sets to draw.
        level: coverage of the interval, in (0, 1).
        seed: equal seeds give equal intervals.

    Raises:
        ValueError: as `mcnemar`; `clusters` has another length; or the rows hold one class only, or so few
            of one that more than 5 % of the resamples do.
    """
    actual, one, other = _validated(labels, first_decisions, second_decisions)
    unit = sampling_units(clusters, actual.size)
    # Sums per row: rows, fake, then for each candidate called fake, and fake called fake.
    columns = [np.ones_like(actual), actual, one, one * actual, other, other * actual]
    sums = np.column_stack(columns).astype(np.float64)
    difference = float(_difference(sums.sum(axis=0, keepdims=True))[0])
    drawn = resample_weights(unit, resamples, np.random.default_rng(seed))
    interval = percentile_interval(np.concatenate([_difference(weights @ sums) for weights in drawn]), level)
    if np.isnan(difference) or interval is None:
        raise ValueError(
            f"{int(actual.sum())} of {actual.size} rows are fake: macro-F1 cannot be compared on so few of one"
            " class. Ingest more articles, then materialize the splits and evaluations again."
        )
    return PairedDifference(difference=difference, low=interval.low, high=interval.high)


def _difference(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Second minus first, shape (sets,), of sums of shape (sets, 6)."""
    rows, fake, called_first, hits_first, called_second, hits_second = sums.T
    return macro_f1_of_counts(rows, fake, called_second, hits_second) - macro_f1_of_counts(
        rows, fake, called_first, hits_first
    )


def _validated(labels: ArrayLike, first: ArrayLike, second: ArrayLike) -> tuple[NDArray[np.int8], ...]:
    checked = []
    for decisions in (first, second):
        actual, values = validated(labels, decisions)
        if not np.isin(values, (0, 1)).all():
            raise ValueError("Decisions must be 0 (real) or 1 (fake); pass the predicted labels.")
        checked.append(values.astype(np.int8))
    return (actual, *checked)
