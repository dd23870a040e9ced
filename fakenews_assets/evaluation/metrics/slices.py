"""Metrics on slices of the test split.

The slices of each dimension divide all rows.
"""

from typing import Final

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from fakenews_assets.models.bootstrap import Interval, bootstrap_intervals
from fakenews_assets.models.metrics import Metrics

UNKNOWN: Final = "unknown"


class SliceConfig(BaseModel):
    """Settings of the slices."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    minimum_rows: int = Field(
        default=50,
        ge=1,
        description="A slice with fewer rows is flagged and has no interval.",
    )
    largest_sources: int = Field(
        default=12, ge=1, description="Sources with a slice of their own; the smaller ones share one."
    )


class SliceScore(BaseModel):
    """Quality on one slice. `macro_f1` is None where the slice holds one class only."""

    model_config = ConfigDict(frozen=True)

    dimension: str
    name: str
    rows: int
    fake_share: float
    accuracy: float
    accuracy_interval: Interval | None
    macro_f1: float | None
    macro_f1_interval: Interval | None
    too_few: bool = Field(description="Fewer rows than the minimum: the metrics are unreliable.")


def score_slices(
    table: pl.DataFrame,
    config: SliceConfig,
    *,
    threshold: float = 0.5,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[SliceScore, ...]:
    """Score every slice of every dimension that the table can be divided by.

    Dimensions are `source`, `title length` (quarters of the rows by word count), `text` (given or not)
    and `month` of publication. A dimension whose column is all null is left out; single nulls are the
    slice "unknown".

    Args:
        table: columns `title`, `text`, `source`, `published_at`, `label`, `probability` (of fake), and
            `cluster_id` if the intervals should draw whole clusters.
        config: how to divide.
        threshold: decision threshold on P(fake).
        resamples: as in `bootstrap_intervals`.
        level: as in `bootstrap_intervals`.
        seed: as in `bootstrap_intervals`.

    Raises:
        ValueError: the table has no rows, or unusable labels or probabilities.
    """
    scores = []
    for dimension, membership in _dimensions(table, config).items():
        for name in membership.unique().sort():
            part = table.filter(membership == name)
            labels, probabilities = part["label"].to_numpy(), part["probability"].to_numpy()
            metrics = Metrics.of(labels, probabilities, threshold)
            too_few = part.height < config.minimum_rows
            intervals = {}
            if not too_few:
                intervals = bootstrap_intervals(
                    labels,
                    probabilities,
                    threshold=threshold,
                    clusters=part["cluster_id"].to_numpy() if "cluster_id" in part.columns else None,
                    metrics=("accuracy", "macro_f1"),
                    resamples=resamples,
                    level=level,
                    seed=seed,
                )
            scores.append(
                SliceScore(
                    dimension=dimension,
                    name=str(name),
                    rows=part.height,
                    fake_share=metrics.fake_share,
                    accuracy=metrics.accuracy,
                    accuracy_interval=intervals.get("accuracy"),
                    macro_f1=metrics.macro_f1,
                    macro_f1_interval=intervals.get("macro_f1"),
                    too_few=too_few,
                )
            )
    return tuple(scores)


def slice_table(slices: tuple[SliceScore, ...]) -> pl.DataFrame:
    """The slices as a table, one row each; a missing value is null."""
    return pl.DataFrame(
        {
            "dimension": [one.dimension for one in slices],
            "slice": [one.name for one in slices],
            "rows": [one.rows for one in slices],
            "fake_share": [one.fake_share for one in slices],
            "accuracy": [one.accuracy for one in slices],
            "accuracy_low": [one.accuracy_interval and one.accuracy_interval.low for one in slices],
            "accuracy_high": [one.accuracy_interval and one.accuracy_interval.high for one in slices],
            "macro_f1": [one.macro_f1 for one in slices],
            "macro_f1_low": [one.macro_f1_interval and one.macro_f1_interval.low for one in slices],
            "macro_f1_high": [one.macro_f1_interval and one.macro_f1_interval.high for one in slices],
            "too_few": [one.too_few for one in slices],
        },
        schema=_TABLE_SCHEMA,
    )


_TABLE_SCHEMA = pl.Schema(
    {
        "dimension": pl.String,
        "slice": pl.String,
        "rows": pl.Int64,
        "fake_share": pl.Float64,
        "accuracy": pl.Float64,
        "accuracy_low": pl.Float64,
        "accuracy_high": pl.Float64,
        "macro_f1": pl.Float64,
        "macro_f1_low": pl.Float64,
        "macro_f1_high": pl.Float64,
        "too_few": pl.Boolean,
    }
)


def _dimensions(table: pl.DataFrame, config: SliceConfig) -> dict[str, pl.Series]:
    """Name each row's slice; an Enum series sorts its slices in reading order."""
    dimensions = {}
    if table["source"].null_count() < table.height:
        dimensions["source"] = _sources(table["source"], config.largest_sources)
    dimensions["title length"] = _title_lengths(table["title"])
    has_text = table["text"].str.len_bytes().fill_null(0) > 0
    dimensions["text"] = _named(has_text.cast(pl.Int64), ["title only", "title and text"])
    if table["published_at"].null_count() < table.height:
        months = table["published_at"].dt.strftime("%Y-%m")
        known = months.drop_nulls().unique().sort().to_list()
        dimensions["month"] = months.fill_null(UNKNOWN).cast(pl.Enum([*known, UNKNOWN]))
    return dimensions


def _sources(source: pl.Series, largest: int) -> pl.Series:
    named = source.drop_nulls()
    by_size = named.value_counts().sort(["count", named.name], descending=[True, False])[named.name].to_list()
    kept, folded = by_size[:largest], by_size[largest:]
    others = f"{len(folded)} smaller sources"
    folding = dict.fromkeys(folded, others)
    names = list(dict.fromkeys([*kept, others, UNKNOWN]))
    return source.replace(folding).fill_null(UNKNOWN).cast(pl.Enum(names))


def _title_lengths(title: pl.Series) -> pl.Series:
    words = title.str.count_matches(r"\S+").to_numpy()
    quartiles = np.quantile(words, [0.25, 0.5, 0.75], method="lower").astype(int)
    # The longest titles are no border: where many titles tie, there are fewer than four slices.
    tops = [int(top) for top in np.unique(quartiles) if top < words.max()]
    bottoms = [0, *(top + 1 for top in tops)]
    names = [_range_name(bottom, top) for bottom, top in zip(bottoms, [*tops, None], strict=True)]
    return _named(pl.Series(np.searchsorted(tops, words, side="left"), dtype=pl.Int64), names)


def _range_name(bottom: int, top: int | None) -> str:
    if top is None:
        return f"{_counted(bottom)} or more" if bottom else "any length"
    if bottom == 0:
        return f"up to {_counted(top)}"
    return _counted(bottom) if bottom == top else f"{bottom} to {_counted(top)}"


def _counted(words: int) -> str:
    return f"{words} word{'' if words == 1 else 's'}"


def _named(index: pl.Series, names: list[str]) -> pl.Series:
    return pl.Series(names, dtype=pl.Enum(names)).gather(index)
