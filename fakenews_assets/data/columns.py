"""Which columns of a file make up an article, and the form of their values."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from fakenews_assets.data.readers.reading import open_table
from fakenews_assets.data.readers.table import UnreadableFile
from fakenews_assets.data.schema import RAW_SCHEMA

COLUMNS: Final = {
    "title": ("title",),
    "text": ("text",),
    "label": ("label",),
    "source": ("source", "source.name", "publisher", "domain", "site"),
    "url": ("url", "link"),
    "group": ("group", "leaning", "bias"),
    "published_at": ("published_at", "published", "date"),
}
"""Each column of a raw table, and the names it may have in a file: the first one present counts."""

_MISSING: Final = (
    "<na>", "n/a", "na", "nan", "-nan", "nat", "none", "null", r"\n",
    "#n/a", "#n/a n/a", "#na", "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan",
)  # fmt: skip
"""Words for a missing value: those that pandas reads as missing by default, `NaT`, and the `\\N` of databases. Such a
word is no headline, and as a text it would link unrelated articles."""

_MISSING_VALUE: Final = rf"(?i)^\s*(?:{'|'.join(map(pl.escape_regex, _MISSING))})\s*$"


@dataclass(frozen=True)
class RawChunk:
    """A run of records of one file.

    Attributes:
        rows: records that could be read, as `RAW_SCHEMA`.
        rejects: records that could not, as `QUARANTINE_SCHEMA`.
    """

    rows: pl.DataFrame
    rejects: pl.DataFrame


def read_raw(path: Path, chunk_rows: int = 100_000) -> Iterator[RawChunk]:
    """Read the columns of a file that make up articles, chunk by chunk.

    Columns are found by name, whatever their case: `title` is required, the others are optional and may have the
    names that `COLUMNS` lists, and all others are ignored. Values arrive as text and as found, except that a value
    is null when it is empty or a word for a missing value, such as "nan" or "NULL", and that a label is stripped,
    and "1" where a float column wrote "1.0".

    Args:
        path: the file; it is only read.
        chunk_rows: most records in one chunk. A chunk also ends at 64 Mi characters.

    Yields:
        Chunks in file order. `row` counts the records of the file from 0, rejects included, so every
        number appears once in either table. Blank lines are not records.

    Raises:
        UnreadableFile: on reaching the fault, which may be after the first chunks: keep nothing of
            the file unless the iteration ends.
    """
    try:
        with open_table(path) as table:
            positions = locate_columns(table.names)
            for chunk in table.chunks(chunk_rows):
                values = chunk.values.select(pl.nth(at).alias(name) for name, at in positions.items())
                yield RawChunk(tidy(values.insert_column(0, chunk.numbers)), chunk.rejects)
    except UnreadableFile as error:
        raise UnreadableFile(f"{path.name}: {error}") from error


def plain_name(name: str) -> str:
    """A column name without its case and surrounding blanks."""
    return name.strip().lower()


def locate_columns(names: Sequence[str]) -> dict[str, int]:
    """Find the columns of a raw table among a file's column names.

    Returns:
        The position of every column of `COLUMNS` that the file has.

    Raises:
        UnreadableFile: if there is no title, or a column stands there twice.
    """
    plain = [plain_name(name) for name in names]
    found: dict[str, int] = {}
    for column, aliases in COLUMNS.items():
        if alias := next((alias for alias in aliases if alias in plain), None):
            if plain.count(alias) > 1:
                raise UnreadableFile(
                    f"the header names `{alias}` {plain.count(alias)} times: keep one of them"
                )
            found[column] = plain.index(alias)
    if "title" not in found:
        listed = ", ".join(repr(name[:50]) for name in names[:20]) or "none"
        more = f" and {len(names) - 20} more" if len(names) > 20 else ""
        raise UnreadableFile(
            f"no `title` column; columns found: {listed}{more}. Rename the headline column to `title`"
        )
    return found


def tidy(values: pl.DataFrame) -> pl.DataFrame:
    """Give text columns the form of `RAW_SCHEMA`: absent columns and missing values null, labels plain."""
    label = pl.col("label").str.strip_chars().str.replace(r"^([+-]?\d+)\.0+$", "$1")
    absent = [pl.lit(None, pl.String).alias(name) for name in COLUMNS if name not in values.columns]
    return (
        values.with_columns(absent)
        .with_columns(label)
        .with_columns(pl.when(_is_given(pl.col(name))).then(name).alias(name) for name in COLUMNS)
        .select(RAW_SCHEMA.names())
    )


def is_missing(value: str) -> bool:
    """Whether a text without surrounding blanks is empty or a word for a missing value."""
    return not value or value.lower() in _MISSING


def _is_given(value: pl.Expr) -> pl.Expr:
    return (value != "") & ~value.str.contains(_MISSING_VALUE)
