"""Blanks the title and text of an article in tables.

The row keeps its id, label, cluster and split, so that counts stay true. A cleaned article never has an empty title,
so an empty one marks a blanked row.
"""

from collections.abc import Collection, Iterator
from pathlib import Path

import polars as pl

from fakenews_assets.governance.audit.data import RAW
from fakenews_assets.governance.erasure.quoting import TEXTS, spellings
from fakenews_resources.storage.store import Store


def tables_of(store: Store) -> Iterator[tuple[str, str, Path]]:
    """Key, version and path of every stored table."""
    # Bytes as received are none of them: a file of anybody's may be damaged, and `raw_rows` blanks what is in it.
    for key in (one for one in store.all_keys() if not one.startswith(RAW)):
        for version in store.versions(key):
            for path in sorted(store.folder(key, version).glob("*.parquet")):
                yield key, version, path


def blanked(path: Path, article_ids: Collection[str], titles: Collection[str]) -> pl.DataFrame | None:
    """A table with the article blanked; None if it does not contain the article.

    Args:
        path: a Parquet file of any columns.
        article_ids: of the article.
        titles: of the article, as received and as cleaned: a quarantined record that quotes one is blanked, unless
            it says too little to tell whose it is.
    """
    columns = pl.read_parquet_schema(path)
    change: dict[str, pl.Expr]
    if {"article_id", *TEXTS} <= columns.keys():
        # The log says null where it holds no texts, and readers of cleaned articles expect none.
        nothing = pl.lit(None if "request_id" in columns else "", dtype=pl.String)
        held = holds_text(article_ids)
        change = {name: pl.when(held).then(nothing).otherwise(name) for name in TEXTS}
    elif {"reason", "record"} <= columns.keys() and (quoted := spellings(titles)):
        record = pl.col("record")
        held = record.str.contains_any(sorted(quoted))
        change = {"record": pl.when(held).then(pl.lit("")).otherwise(record)}
    else:
        return None
    if not pl.scan_parquet(path).select(held.fill_null(False).any()).collect().item():
        return None
    return pl.read_parquet(path).with_columns(**change)


def holds_text(article_ids: Collection[str]) -> pl.Expr:
    """Whether a row is one of these articles and has a title or a text."""
    empty = (pl.col(name).fill_null("") == "" for name in TEXTS)
    return pl.col("article_id").is_in(list(article_ids)) & ~pl.all_horizontal(*empty)


def log_tables(service_log: Path) -> list[tuple[str, Path]]:
    """The tables of past days of the service's log, each with its day."""
    tables = sorted(service_log.glob("????-??-??/predictions.parquet"))
    return [(path.parent.name, path) for path in tables]
