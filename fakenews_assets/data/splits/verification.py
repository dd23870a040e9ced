"""What must hold of a split, computed from the split alone.

Nothing here trusts the clustering or its hashes: titles and texts are compared as they stand in the sides.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Final

import polars as pl

from fakenews_assets.data.dedup.near_duplicates import NearDuplicateConfig, normalised_words
from fakenews_assets.data.splits.splitting import SplitConfig

SHARE_TOLERANCE_POINTS: Final = 1.0
SHARE_MIN_ROWS: Final = 5_000
"""Above this many rows the shares of the sides are held to the tolerance."""

_EXAMPLES: Final = 5


@dataclass(frozen=True)
class Crossings:
    """Things that stand on more than one side although they must not.

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
    """How the rows divide into sides.

    Attributes:
        rows: rows per side.
        deviation_points: largest distance of a side's share from its target, in percentage points.
        z_score: distance of the side that is furthest out in standard deviations of its share when
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
        moved: articles on another side than before.
        gone: articles that were on a side and are on none now; expected only after a batch was taken out.
        examples: up to five, as `article_id: old -> new`.
    """

    moved: int
    gone: int
    examples: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return self.moved == 0


def side_table(sides: Mapping[str, pl.LazyFrame]) -> pl.DataFrame:
    """`article_id`, `cluster_id` and `side` of every article of a split: enough to compare versions."""
    return _stack(sides).select("article_id", "cluster_id", "side").collect(engine="streaming")


def verify_clusters(table: pl.DataFrame) -> Crossings:
    """Find clusters on more than one side.

    Args:
        table: what `side_table` returned.
    """
    return _crossings(table.select("side", value="cluster_id", example="cluster_id"))


def verify_contents(sides: Mapping[str, pl.LazyFrame], config: NearDuplicateConfig) -> Crossings:
    """Find equal titles and equal texts on more than one side, case and punctuation aside.

    A title with fewer than `config.min_title_words` words only counts together with its text, a text
    with fewer than `config.min_text_words` not at all.
    """
    title, text = pl.col("title_words"), pl.col("text_words")
    long_title = title.str.count_matches(" ", literal=True) + 1 >= config.min_title_words
    long_text = text.str.count_matches(" ", literal=True) + 1 >= config.min_text_words
    letters = title.str.replace_all(" ", "", literal=True)
    keys = (
        _stack(sides)
        .select(
            "side",
            example="title",
            title_words=normalised_words("title"),
            text_words=normalised_words("text"),
        )
        .select(
            "side",
            "example",
            # Equality is all that matters here, so any hash will do: it keeps the texts out of memory.
            title_key=pl.when((title != "") & long_title)
            .then(letters.hash())
            .when((title != "") | (text != ""))
            .then((letters + "\n" + text).hash()),
            text_key=pl.when((text != "") & long_text).then(text.hash()),
        )
        .collect(engine="streaming")
    )
    found = [_crossings(keys.select("side", "example", value=key)) for key in ("title_key", "text_key")]
    return Crossings(
        count=sum(crossing.count for crossing in found),
        examples=tuple(example for crossing in found for example in crossing.examples)[:_EXAMPLES],
    )


def verify_shares(table: pl.DataFrame, config: SplitConfig) -> Shares:
    """Measure the sides' shares of the rows against their targets.

    Args:
        table: what `side_table` returned.
        config: the targets.
    """
    total = len(table)
    counts = dict(table["side"].cast(pl.String).value_counts().iter_rows())
    rows = {side: counts.get(side, 0) for side in config.shares()}
    sizes = table["cluster_id"].value_counts()["count"].cast(pl.Float64)
    root_of_squares = sqrt((sizes**2).sum())
    deviations, z_scores = [0.0], [0.0]
    if total:
        for side, share in config.shares().items():
            deviation = abs(rows[side] / total - share)
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
    """Compare two versions of a split, each as `side_table` returned it."""
    both = old.select("article_id", old="side").join(
        new.select("article_id", new="side"), on="article_id", how="left"
    )
    moved = both.filter(pl.col("old") != pl.col("new"))
    gone = both.filter(pl.col("new").is_null())
    changed = pl.concat([moved, gone]).head(_EXAMPLES)
    return Moves(
        moved=len(moved),
        gone=len(gone),
        examples=tuple(f"{name}: {before} -> {after}" for name, before, after in changed.iter_rows()),
    )


def _stack(sides: Mapping[str, pl.LazyFrame]) -> pl.LazyFrame:
    return pl.concat([rows.with_columns(side=pl.lit(side)) for side, rows in sides.items()])


def _crossings(rows: pl.DataFrame) -> Crossings:
    crossing = (
        rows.drop_nulls("value")
        .group_by("value")
        .agg(pl.col("side").n_unique(), pl.col("example").min())
        .filter(pl.col("side") > 1)
        .sort("example")
    )
    return Crossings(count=len(crossing), examples=tuple(crossing["example"].head(_EXAMPLES)))
