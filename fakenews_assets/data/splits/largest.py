"""The largest cluster of near-duplicates, and what its articles have in common."""

from dataclasses import dataclass
from typing import Final

import polars as pl

LARGEST_SHARE: Final = 0.01
LARGEST_ROWS: Final = 10
"""A cluster is a giant above both: a share of the accepted articles, and so many of them."""

_QUOTED: Final = 200


@dataclass(frozen=True)
class LargestCluster:
    """The largest cluster of a clustering.

    Attributes:
        rows: its accepted articles.
        share: of all accepted articles.
        made_by: the start of the text that most of its articles share, or of their title if the texts differ.
    """

    rows: int
    share: float
    made_by: str

    @property
    def is_giant(self) -> bool:
        return self.rows > LARGEST_ROWS and self.share > LARGEST_SHARE


def largest_cluster(clusters: pl.DataFrame, articles: pl.LazyFrame) -> LargestCluster:
    """Find the largest cluster.

    Args:
        clusters: CLUSTER_SCHEMA.
        articles: `title` and `text` of the same rows in the same order.
    """
    accepted = clusters.with_row_index("at").filter(pl.col("excluded").is_null())
    if accepted.is_empty():
        return LargestCluster(0, 0.0, "")
    sizes = accepted["cluster_id"].value_counts().sort("count", "cluster_id", descending=[True, False])
    name, rows = sizes.row(0)
    mine = accepted.filter(pl.col("cluster_id") == name)["at"]
    held = articles.select("title", "text").with_row_index("at").filter(pl.col("at").is_in(mine.implode()))
    texts = held.collect()
    text, count = texts["text"].value_counts(sort=True).row(0)
    shared = text if text and count > 1 else texts["title"].value_counts(sort=True).row(0)[0]
    return LargestCluster(rows, rows / len(accepted), shared[:_QUOTED])
