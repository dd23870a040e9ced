"""The corpus profile: class balance, lengths, missing values, duplicates and characteristic words.

Everything but the word statistics is aggregated over all rows by streamed queries, so memory hardly grows
with the corpus (about 60 MB per million rows, for the distinct articles and titles).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from fakenews_assets.data.profile.composition import Composition, compose
from fakenews_assets.data.profile.words import WordUse, strongest, word_sample, word_uses
from fakenews_assets.data.schema import Label

_CLASS_NAMES = ("real", "fake", "unlabelled")
_LENGTH_BINS = 24


class ProfileSettings(BaseModel):
    """Limits of the word statistics and of the report."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    word_rows: int = Field(
        default=200_000, ge=1, description="Word statistics use the titles of about this many rows at most."
    )
    top_words: int = Field(default=20, ge=1, description="Words reported per class.")
    largest_sources: int = Field(
        default=20, ge=1, description="Sources reported by name; the smaller ones are added up."
    )


class Balance(BaseModel):
    """How many articles of each class a group holds, and when they were published."""

    model_config = ConfigDict(frozen=True)

    name: str
    rows: int
    real: int
    fake: int
    unlabelled: int
    first_published: datetime | None
    last_published: datetime | None

    @property
    def fake_share(self) -> float | None:
        """Share of the labelled rows that are fake; None without labels."""
        labelled = self.real + self.fake
        return self.fake / labelled if labelled else None

    @property
    def fake_percent(self) -> str:
        """The same in words: a percentage, or that there are no labels."""
        return "no labels" if self.fake_share is None else f"{self.fake_share:.1%}"


class ClassLengths(BaseModel):
    """Lengths in words of one class: quantiles, and counts per bin of `Lengths.edges`."""

    model_config = ConfigDict(frozen=True)

    name: str
    rows: int
    p05: int
    p25: int
    median: int
    p75: int
    p95: int
    longest: int
    counts: tuple[int, ...]


class Lengths(BaseModel):
    """Lengths in words, by class.

    Bin i counts lengths from edge i up to edge i + 1 (not included); the last bin is open.
    """

    model_config = ConfigDict(frozen=True)

    edges: tuple[int, ...]
    classes: tuple[ClassLengths, ...]


class CorpusProfile(BaseModel):
    """The corpus in numbers."""

    model_config = ConfigDict(frozen=True)

    total: Balance
    batches: tuple[Balance, ...] = Field(description="In order of first publication, then of name.")
    sources: tuple[Balance, ...] = Field(description="Largest first; the smaller ones added up at the end.")
    composition: Composition
    source_count: int = Field(description="Distinct sources, including those added up.")
    without_text: int
    without_source: int
    without_date: int
    repeated_articles: int = Field(description="Rows whose article_id an earlier row has.")
    repeated_titles: int = Field(description="Rows whose title an earlier row has, letter by letter.")
    title_words: Lengths
    text_words: Lengths = Field(description="Of the rows that have a text.")
    word_rows: int = Field(description="Labelled titles behind the word statistics.")
    words_sampled: bool = Field(description="Whether the titles are a sample.")
    real_words: tuple[WordUse, ...]
    fake_words: tuple[WordUse, ...]


def profile_corpus(
    articles: pl.LazyFrame | pl.DataFrame, config: ProfileSettings | None = None
) -> CorpusProfile:
    """Profile a table of `ARTICLE_SCHEMA`.

    Above `word_rows` rows the words come from the articles whose ids are lowest. An id is a hash of the
    content, so this is a uniform sample, and the same one every time.

    Args:
        articles: the corpus; a lazy scan is streamed, a few times over.
        config: limits; the defaults when None.

    Raises:
        ValueError: the table has no rows.
    """
    config = config or ProfileSettings()
    table = articles.lazy().with_columns(
        kind=pl.when(pl.col("label") == Label.REAL)
        .then(pl.lit("real"))
        .when(pl.col("label") == Label.FAKE)
        .then(pl.lit("fake"))
        .otherwise(pl.lit("unlabelled"))
    )
    has_text = pl.col("text").fill_null("") != ""
    total = _streamed(
        table.select(
            *_BALANCE,
            without_text=(~has_text).sum(),
            without_source=pl.col("source").is_null().sum(),
            without_date=pl.col("published_at").is_null().sum(),
        )
    ).row(0, named=True)
    rows = total["rows"]
    if rows == 0:
        raise ValueError("The corpus has no articles; ingest a batch first.")
    batches = _streamed(table.group_by(name="batch").agg(_BALANCE))
    sources = _streamed(table.filter(pl.col("source").is_not_null()).group_by(name="source").agg(_BALANCE))
    titles = table.group_by("kind", words=_words("title")).agg(rows=pl.len())
    texts = table.filter(has_text).group_by("kind", words=_words("text")).agg(rows=pl.len())
    word_rows, uses = word_uses(word_sample(table, rows, config.word_rows))
    return CorpusProfile(
        total=_balance("all", total),
        batches=tuple(
            _balance(row["name"], row)
            for row in batches.sort("first_published", "name", nulls_last=True).iter_rows(named=True)
        ),
        sources=_largest(sources, config.largest_sources),
        composition=compose(table),
        source_count=sources.height,
        without_text=total["without_text"],
        without_source=total["without_source"],
        without_date=total["without_date"],
        repeated_articles=rows - _distinct(table, "article_id"),
        repeated_titles=rows - _distinct(table, "title"),
        title_words=_lengths(_streamed(titles)),
        text_words=_lengths(_streamed(texts)),
        word_rows=word_rows,
        words_sampled=rows > config.word_rows,
        real_words=strongest(uses, "real", config.top_words),
        fake_words=strongest(uses, "fake", config.top_words),
    )


_BALANCE = (
    pl.len().alias("rows"),
    *((pl.col("kind") == name).sum().alias(name) for name in _CLASS_NAMES),
    pl.col("published_at").min().alias("first_published"),
    pl.col("published_at").max().alias("last_published"),
)


def _streamed(query: pl.LazyFrame) -> pl.DataFrame:
    # One query at a time: collected together, they would share one copy of the table, held in memory.
    return query.collect(engine="streaming")


def _distinct(table: pl.LazyFrame, column: str) -> int:
    # By 64-bit hash, and in a query of its own: beside other aggregates this one is not streamed.
    return _streamed(table.select(pl.col(column).hash().n_unique())).item()


def _words(column: str) -> pl.Expr:
    return pl.col(column).str.count_matches(r"\S+")


def _balance(name: str, row: dict[str, Any]) -> Balance:
    return Balance(name=name, **{key: row[key] for key in Balance.model_fields if key != "name"})


def _largest(sources: pl.DataFrame, count: int) -> tuple[Balance, ...]:
    ranked = sources.sort(["rows", "name"], descending=[True, False])
    named = [_balance(row["name"], row) for row in ranked.head(count).iter_rows(named=True)]
    rest = ranked.slice(count)
    if rest.height:
        summed = rest.select(
            pl.col("rows", *_CLASS_NAMES).sum(),
            pl.col("first_published").min(),
            pl.col("last_published").max(),
        )
        named.append(_balance(f"{rest.height} smaller sources", summed.row(0, named=True)))
    return tuple(named)


def _lengths(counted: pl.DataFrame) -> Lengths:
    """Summarise a table of (kind, words, rows): exact, and small however long the corpus is."""
    if counted.is_empty():
        return Lengths(edges=(), classes=())
    everything = counted.group_by("words").agg(pl.col("rows").sum()).sort("words")
    # The longest hundredth goes to the open bin, so that a few giants do not flatten the rest.
    reach = _quantile(everything, 0.99)
    step = max(1, -(-reach // (_LENGTH_BINS - 1)))
    edges = tuple(range(0, step * _LENGTH_BINS, step))
    classes = []
    for name in _CLASS_NAMES:
        own = counted.filter(pl.col("kind") == name).sort("words")
        if own.is_empty():
            continue
        bins = (own["words"].to_numpy() // step).clip(max=_LENGTH_BINS - 1)
        counts = np.bincount(bins.astype(np.int64), weights=own["rows"].to_numpy(), minlength=_LENGTH_BINS)
        classes.append(
            ClassLengths(
                name=name,
                rows=int(own["rows"].sum()),
                p05=_quantile(own, 0.05),
                p25=_quantile(own, 0.25),
                median=_quantile(own, 0.5),
                p75=_quantile(own, 0.75),
                p95=_quantile(own, 0.95),
                longest=own["words"][-1],
                counts=tuple(int(count) for count in counts),
            )
        )
    return Lengths(edges=edges, classes=tuple(classes))


def _quantile(counted: pl.DataFrame, share: float) -> int:
    """Return the smallest length that at least a share of the rows do not exceed."""
    reached = counted["rows"].cum_sum().to_numpy()
    return int(counted["words"][int(np.searchsorted(reached, share * reached[-1], side="left"))])
