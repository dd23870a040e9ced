"""Title and text of an article, blanked in the tables that hold them.

The row stays, with its id, label, cluster and side: counts remain true, and all else follows from what is left. A
cleaned article never has an empty title, so an empty one marks the row.
"""

import json
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final

import polars as pl

from fakenews_assets.retention.quoting import spellings
from fakenews_resources.store import Store

_TEXTS: Final = ("title", "text")


def tables_of(store: Store) -> Iterator[tuple[str, str, Path]]:
    """Key, version and path of every table of every version."""
    for key in store.all_keys():
        for version in store.versions(key):
            for path in sorted(store.folder(key, version).glob("*.parquet")):
                yield key, version, path


def blanked(path: Path, article_ids: Collection[str], titles: Collection[str]) -> pl.DataFrame | None:
    """A table without the texts of an article; None if it does not hold them.

    Args:
        path: a Parquet file of any columns.
        article_ids: of the article.
        titles: of the article, as received and as cleaned: a quarantined record that quotes one is blanked, unless
            it says too little to tell whose it is.
    """
    columns = pl.read_parquet_schema(path)
    change: dict[str, pl.Expr]
    if {"article_id", *_TEXTS} <= columns.keys():
        # The log says null where it holds no texts, and readers of cleaned articles expect none.
        nothing = pl.lit(None if "request_id" in columns else "", dtype=pl.String)
        held = holds_text(article_ids)
        change = {name: pl.when(held).then(nothing).otherwise(name) for name in _TEXTS}
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
    """Whether a row is one of these articles and still has a title or a text."""
    empty = (pl.col(name).fill_null("") == "" for name in _TEXTS)
    return pl.col("article_id").is_in(list(article_ids)) & ~pl.all_horizontal(*empty)


def blank_lines(segment: Path, article_ids: Collection[str]) -> int:
    """Blank an article in lines of the service's log.

    In place, and no byte longer: a service may be writing behind them. A line that a kill left half blanked is
    finished by the next call.

    Returns:
        How many lines were changed.
    """
    changed, start = 0, 0
    with segment.open("r+b") as file:
        for line in file.read().splitlines(keepends=True):
            if line.endswith(b"\n") and any(one.encode() in line for one in article_ids):
                new = _blanked_line(line.rstrip(b"\n"), article_ids)
                if new is not None:
                    os.pwrite(file.fileno(), new, start)
                    changed += 1
            start += len(line)
        os.fsync(file.fileno())
    return changed


def log_segments(service_log: Path) -> list[Path]:
    """The files of the service's log that hold lines."""
    return sorted(service_log.glob("*/predictions-*.jsonl"))


def log_tables(service_log: Path) -> list[tuple[str, Path]]:
    """The tables of its days that are over, each with its day."""
    tables = sorted(service_log.glob("????-??-??/predictions.parquet"))
    return [(path.parent.name, path) for path in tables]


def _blanked_line(line: bytes, article_ids: Collection[str]) -> bytes | None:
    """The line without texts, filled up with blanks; None if it has none, or is of another article."""
    text = line.decode("utf-8", "replace")
    try:
        found, end = json.JSONDecoder().raw_decode(text)
    except ValueError:
        return None
    record: dict[str, Any] = found
    is_whole = not text[end:].strip()
    if record.get("article_id") not in article_ids or (
        is_whole and all(record.get(name) is None for name in _TEXTS)
    ):
        return None
    compact = json.dumps(record | dict.fromkeys(_TEXTS), separators=(",", ":")).encode()
    return compact.ljust(len(line))
