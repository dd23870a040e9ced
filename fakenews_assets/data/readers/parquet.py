"""Reads Parquet."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import polars as pl

from fakenews_assets.data.readers.chunks import RawChunk, UnreadableFile, locate_columns, tidy
from fakenews_assets.data.schema import QUARANTINE_SCHEMA

PARQUET_MAGIC: Final = b"PAR1"


def read_parquet(path: Path, chunk_rows: int) -> Iterator[RawChunk]:
    """Read a Parquet file slice by slice; it has no rejects, since its values are typed and UTF-8.

    Categories, numbers, truth values and times become their text (ISO 8601; times with a zone in UTC).

    Raises:
        UnreadableFile: if the file is damaged, has no rows, lacks a title, or has a needed column of a
            type that is no text (binary, list, struct).
    """
    # Polars knows zones of the IANA database alone, and panics at "+05:30", which Arrow allows. Told to let it pass, it
    # gives the times as they are stored, in UTC.
    os.environ.setdefault("POLARS_IGNORE_TIMEZONE_PARSE_ERROR", "1")
    try:
        yield from _slices(path, chunk_rows)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        # Polars panics, rather than raises, at some damaged footers.
        raise UnreadableFile(f"not a sound Parquet file ({error}): fetch or write it again") from error


def _slices(path: Path, chunk_rows: int) -> Iterator[RawChunk]:
    scan = pl.scan_parquet(path, glob=False)
    schema = scan.collect_schema()
    names = schema.names()
    columns = [
        _as_text(names[at], schema[names[at]]).alias(column) for column, at in locate_columns(names).items()
    ]
    rows = scan.select(pl.len()).collect().item()
    if not rows:
        raise UnreadableFile("the file has columns and no rows: check that it was written to the end")
    for start in range(0, rows, chunk_rows):
        values = scan.select(columns).slice(start, chunk_rows).collect()
        numbers = pl.int_range(start, start + values.height, dtype=pl.Int64, eager=True).alias("row")
        yield RawChunk(tidy(values.insert_column(0, numbers)), pl.DataFrame(schema=QUARANTINE_SCHEMA))


def _as_text(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if dtype.is_nested() or dtype in (pl.Binary, pl.Object):
        raise UnreadableFile(f"column `{name}` holds {dtype}: write it as text")
    if dtype.is_float():
        column = column.fill_nan(None)
    if isinstance(dtype, pl.Datetime) and dtype.time_zone:
        column = column.to_physical().cast(pl.Datetime(dtype.time_unit, "UTC"))
    if dtype.is_temporal():
        return column.dt.to_string("iso:strict")
    return column.cast(pl.String)
