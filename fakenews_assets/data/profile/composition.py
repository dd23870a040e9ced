"""What a corpus is made of: rows, publishers and texts of each batch and label."""

from typing import Final

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

LARGEST_SHARE: Final = 0.5
"""A larger share of a label's rows from one publisher, or of all rows without a publisher, deserves a warning."""


class Part(BaseModel):
    """The rows of one label in one batch, or in all of them."""

    model_config = ConfigDict(frozen=True)

    batch: str
    kind: str = Field(description="`real`, `fake` or `unlabelled`.")
    rows: int
    with_text: int
    without_source: int
    publishers: int = Field(description="Distinct ones that are known.")
    largest: str | None = Field(description="The known publisher with most rows.")
    largest_rows: int

    @property
    def largest_share(self) -> float:
        """Share of the rows that the largest publisher wrote."""
        return self.largest_rows / self.rows


class Composition(BaseModel):
    """The parts of a corpus."""

    model_config = ConfigDict(frozen=True)

    parts: tuple[Part, ...] = Field(description="By batch, then by label.")
    labels: tuple[Part, ...] = Field(description="The same over all batches, without the unlabelled rows.")

    @property
    def pair_share(self) -> float | None:
        """Share of the labelled rows that the largest publisher of each label wrote; None: none is known."""
        rows = sum(one.rows for one in self.labels)
        largest = sum(one.largest_rows for one in self.labels)
        return largest / rows if largest else None


def compose(table: pl.LazyFrame) -> Composition:
    """The composition of a table of `ARTICLE_SCHEMA` with `kind` (real, fake or unlabelled)."""
    counted = (
        table.group_by("batch", "kind", "source")
        .agg(rows=pl.len(), with_text=(pl.col("text").fill_null("") != "").sum())
        .collect(engine="streaming")
    )
    merged = (
        counted.filter(pl.col("kind") != "unlabelled")
        .group_by("kind", "source")
        .agg(pl.col("rows", "with_text").sum())
        .with_columns(batch=pl.lit("all batches"))
    )
    return Composition(parts=_parts(counted), labels=_parts(merged))


def _parts(counted: pl.DataFrame) -> tuple[Part, ...]:
    known = pl.col("source").is_not_null()
    largest_first = counted.sort("rows", "source", descending=[True, False])
    parts = largest_first.group_by("batch", "kind").agg(
        pl.col("rows", "with_text").sum(),
        without_source=pl.col("rows").filter(~known).sum(),
        publishers=known.sum(),
        largest=pl.col("source").filter(known).first(),
        largest_rows=pl.col("rows").filter(known).first().fill_null(0),
    )
    order = pl.col("kind").replace_strict({"real": 0, "fake": 1, "unlabelled": 2})
    return tuple(Part.model_validate(row) for row in parts.sort("batch", order).to_dicts())
