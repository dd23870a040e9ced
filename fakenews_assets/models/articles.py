"""Rows of a split as classifiers take them, and a part of them that is the same every time."""

import hashlib

import polars as pl

from fakenews_assets.models.classifier import Article


def articles_of(table: pl.DataFrame) -> list[Article]:
    """The rows of a table as classifiers take them; a missing text is empty."""
    rows = table.select("title", pl.col("text").fill_null("")).iter_rows()
    return [Article(title=title, text=text) for title, text in rows]


def sample_rows(table: pl.DataFrame, rows: int) -> pl.DataFrame:
    """Draw whole clusters until there are `rows` rows, or more by a part of the last cluster.

    The order of the clusters is that of their names' hashes: a draw like any other, and equal for equal rows in
    whatever order they come. A larger sample holds every row of a smaller one.

    Args:
        table: column `article_id`, and `cluster_id` if near-duplicates are known.
        rows: how many are wanted; a table that has no more is returned whole.

    Returns:
        Rows in the order of the draw.
    """
    unit = "cluster_id" if "cluster_id" in table.columns else "article_id"
    ordered = table.with_columns(
        _draw=table[unit].map_elements(_hash, return_dtype=pl.String),
    ).sort("_draw", "article_id")
    # A cluster is in if rows are missing before it.
    before = ordered["_draw"].rank("min") - 1
    return ordered.filter(before < rows).drop("_draw")


def _hash(name: str) -> str:
    return hashlib.blake2b(name.encode(), digest_size=8).hexdigest()
