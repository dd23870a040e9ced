"""Verifies splits from their rows alone, without the clustering or its hashes."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Final

import polars as pl

from fakenews_assets.data.dedup.near_duplicates import NearDuplicateSettings, normalised_words
from fakenews_assets.data.splits.splitting import SplitSettings

SHARE_TOLERANCE_POINTS: Final = 1.0
SHARE_MIN_ROWS: Final = 5_000
"""The tolerance of the shares applies above this number of rows."""

_EXAMPLES: Final = 5


@dataclass(frozen=True)
class Crossings:
    """Clusters or contents that occur in more than one split.

    Attributes:
        count: how many.
        examples: up to five of them.
    """

    count: int
    examples: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return self.count == 0


@dataclass(frozen=True)
class Shares:
    """Sizes of the splits, against their targets.

    Attributes:
        rows: rows per split.
        deviation_points: largest distance of a split's share from its target, in percentage points.
        z_score: distance of the split that is furthest out in standard deviations of its share when
            clusters are hashed, sqrt(p (1 - p) sum(size^2)) / n. Beyond about 4 the hash or the clusters
            are at fault; below, a deviation is chance, and more rows or another salt is the remedy.
        largest_cluster: rows of the largest cluster.
        within_tolerance: whether the deviation is at most a point; always true for small corpora, where
            chance alone goes further.
    """

    rows: Mapping[str, int]
    deviation_points: float
    z_score: float
    largest_cluster: int
    within_tolerance: bool


@dataclass(frozen=True)
class Moves:
    """Articles that changed between two versions of a split.

    Attributes:
        moved: articles in another split than before.
        gone: articles that were in a split and are in none now; expected only after a batch was taken out.
        examples: up to five, as `article_id: old -> new`.
    """

    moved: int
    gone: int
    examples: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return self.moved == 0


def split_table(splits: Mapping[str, pl.LazyFrame]) -> pl.DataFrame:
    """`article_id`, `cluster_id`, `unseen_publisher` and `split` of every article: enough to compare versions."""
    return (
        _stack(splits)
        .select("article_id", "cluster_id", "unseen_publisher", "split")
        .collect(engine="streaming")
    )


def verify_clusters(table: pl.DataFrame) -> Crossings:
    """Find clusters in more than one split.

    Args:
        table: what `split_table` returned.
    """
    return _crossings(table.select("split", value="cluster_id", example="cluster_id"))


def verify_publishers(splits: Mapping[str, pl.LazyFrame]) -> Crossings:
    """Find held-out publishers that have articles in more than one split."""
    rows = _stack(splits).select("split", "unseen_publisher", value="source", example="source").collect()
    held_out = rows.filter("unseen_publisher")["value"].unique()
    return _crossings(rows.filter(pl.col("value").is_in(held_out.implode())))


def verify_contents(splits: Mapping[str, pl.LazyFrame], config: NearDuplicateSettings) -> Crossings:
    """Find equal titles and equal texts in more than one split, case and punctuation aside.

    A title with fewer than `config.min_title_words` words only counts together with its text, a text
    with fewer than `config.min_text_words`, or one that many titles share, not at all.
    """
    title, text = pl.col("title_words"), pl.col("text_words")
    long_title = title.str.count_matches(" ", literal=True) + 1 >= config.min_title_words
    long_text = text.str.count_matches(" ", literal=True) + 1 >= config.min_text_words
    letters = title.str.replace_all(" ", "", literal=True)
    keys = (
        _stack(splits)
        .select(
            "split",
            "shared_text",
            example="title",
            title_words=normalised_words("title"),
            text_words=normalised_words("text"),
        )
        .select(
            "split",
            "example",
            # Equality is all that matters here, so any hash will do: it keeps the texts out of memory.
            title_key=pl.when((title != "") & long_title)
            .then(letters.hash())
            .when((title != "") | (text != ""))
            .then((letters + "\n" + text).hash()),
            text_key=pl.when((text != "") & long_text & ~pl.col("shared_text")).then(text.hash()),
        )
        .collect(engine="streaming")
    )
    found = [_crossings(keys.select("split", "example", value=key)) for key in ("title_key", "text_key")]
    return Crossings(
        count=sum(crossing.count for crossing in found),
        examples=tuple(example for crossing in found for example in crossing.examples)[:_EXAMPLES],
    )


def verify_shares(table: pl.DataFrame, config: SplitSettings) -> Shares:
    """Measure the splits' shares of the articles against their targets; those of held-out publishers do not count.

    Args:
        table: what `split_table` returned.
        config: the targets.
    """
    table = table.filter(~pl.col("unseen_publisher"))
    total = len(table)
    counts = dict(table["split"].cast(pl.String).value_counts().iter_rows())
    rows = {split: counts.get(split, 0) for split in config.shares()}
    sizes = table["cluster_id"].value_counts()["count"].cast(pl.Float64)
    root_of_squares = sqrt((sizes**2).sum())
    deviations, z_scores = [0.0], [0.0]
    if total:
        for split, share in config.shares().items():
            deviation = abs(rows[split] / total - share)
            deviations.append(100 * deviation)
            z_scores.append(deviation * total / (sqrt(share * (1 - share)) * root_of_squares))
    return Shares(
        rows=rows,
        deviation_points=max(deviations),
        z_score=max(z_scores),
        largest_cluster=int(sizes.max() or 0),  # pyright: ignore[reportArgumentType]
        within_tolerance=total <= SHARE_MIN_ROWS or max(deviations) <= SHARE_TOLERANCE_POINTS,
    )


def moved_articles(old: pl.DataFrame, new: pl.DataFrame) -> Moves:
    """Compare two versions of a split, each as `split_table` returned it."""
    both = old.select("article_id", old="split").join(
        new.select("article_id", new="split"), on="article_id", how="left"
    )
    moved = both.filter(pl.col("old") != pl.col("new"))
    gone = both.filter(pl.col("new").is_null())
    changed = pl.concat([moved, gone]).head(_EXAMPLES)
    return Moves(
        moved=len(moved),
        gone=len(gone),
        examples=tuple(f"{name}: {before} -> {after}" for name, before, after in changed.iter_rows()),
    )


def _stack(splits: Mapping[str, pl.LazyFrame]) -> pl.LazyFrame:
    return pl.concat([rows.with_columns(split=pl.lit(split)) for split, rows in splits.items()])


def _crossings(rows: pl.DataFrame) -> Crossings:
    crossing = (
        rows.drop_nulls("value")
        .group_by("value")
        .agg(pl.col("split").n_unique(), pl.col("example").min())
        .filter(pl.col("split") > 1)
        .sort("example")
    )
    return Crossings(count=len(crossing), examples=tuple(crossing["example"].head(_EXAMPLES)))
