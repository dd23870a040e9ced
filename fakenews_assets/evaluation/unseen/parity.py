"""Error rates by group: whether reliable publishers of one leaning are called fake more often than those of another."""

from typing import Final, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from fakenews_assets.models.bootstrap import Interval, percentile_interval, resample_weights

_FEWEST_PUBLISHERS: Final = 2
_FEWEST_ROWS: Final = 30


class ErrorRate(BaseModel):
    """Share of wrong calls among the articles of one label and group."""

    model_config = ConfigDict(frozen=True)

    rate: float
    interval: Interval = Field(description="Over publishers.")
    rows: int
    publishers: int


class GroupRates(BaseModel):
    """Error rates within one group, at the model's threshold. A rate on too few articles or publishers is None."""

    model_config = ConfigDict(frozen=True)

    group: str
    false_positive: ErrorRate | None = Field(description="Real articles called fake.")
    false_negative: ErrorRate | None = Field(description="Fake articles called real.")


class Parity(BaseModel):
    """Error rates of all groups."""

    model_config = ConfigDict(frozen=True)

    unseen: bool = Field(description="Whether they are of held-out publishers only.")
    groups: tuple[GroupRates, ...] = Field(description="By name.")

    @classmethod
    def of(
        cls,
        articles: pl.DataFrame,
        *,
        resamples: int = 1000,
        level: float = 0.95,
        seed: int = 0,
    ) -> Self | None:
        """Compute the error rates of every group, on held-out publishers if they are enough, else on all articles.

        Args:
            articles: columns `source`, `group`, `label`, `predicted_label` and `unseen_publisher`.
            resamples: how many sets of publishers to draw.
            level: coverage of the intervals.
            seed: equal seeds give equal intervals.

        Returns:
            None unless two groups have a false-positive rate.
        """
        known = articles.drop_nulls(["source", "group"])
        for unseen, part in ((True, known.filter("unseen_publisher")), (False, known)):
            groups = [
                GroupRates(
                    group=group,
                    false_positive=_rate(rows, 0, resamples, level, seed),
                    false_negative=_rate(rows, 1, resamples, level, seed),
                )
                for (group,), rows in sorted(part.partition_by("group", as_dict=True).items())
            ]
            if sum(one.false_positive is not None for one in groups) > 1:
                return cls(unseen=unseen, groups=tuple(groups))
        return None

    @property
    def gap_points(self) -> float:
        """Largest difference between the false-positive rates of two groups, in percentage points."""
        rates = [one.false_positive.rate for one in self.groups if one.false_positive]
        return 100 * (max(rates) - min(rates))


def _rate(rows: pl.DataFrame, label: int, resamples: int, level: float, seed: int) -> ErrorRate | None:
    of_label = rows.filter(pl.col("label") == label)
    counts = of_label.group_by("source").agg(rows=pl.len(), wrong=(pl.col("predicted_label") != label).sum())
    if counts.height < _FEWEST_PUBLISHERS or of_label.height < _FEWEST_ROWS:
        return None
    sums: NDArray[np.float64] = counts.sort("source").select("rows", "wrong").to_numpy().astype(np.float64)
    drawn = resample_weights(np.arange(len(sums)), resamples, np.random.default_rng(seed))
    total, wrong = np.concatenate([weights @ sums for weights in drawn]).T
    interval = percentile_interval(wrong / total, level)
    assert interval is not None
    return ErrorRate(
        rate=float(sums[:, 1].sum() / sums[:, 0].sum()),
        interval=interval,
        rows=of_label.height,
        publishers=counts.height,
    )
