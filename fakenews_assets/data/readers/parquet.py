"""Reads Parquet."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import polars as pl

from fakenews_assets.data.readers.table import PLACES, Dialect, Table, TableChunk, UnreadableFile, no_rows
from fakenews_assets.data.schema import QUARANTINE_SCHEMA

PARQUET_MAGIC: Final = b"PAR1"


class ParquetTable(Table):
    """A Parquet file, read slice by slice; it has no rejects, since its values are typed and UTF-8.

    Categories, numbers, truth values and times become their text (ISO 8601; times with a zone in UTC). The fields of a
    struct become columns of their own, such as `source.name`; texts in a list are joined by commas. Other nested values
    are null, as are bytes that are not UTF-8.

    Raises:
        UnreadableFile: the file is damaged.
    """

    def __init__(self, path: Path, dialect: Dialect) -> None:
        # Polars knows zones of the IANA database alone, and panics at "+05:30", which Arrow allows. Told to let it
        # pass, it gives the times as they are stored, in UTC.
        os.environ.setdefault("POLARS_IGNORE_TIMEZONE_PARSE_ERROR", "1")
        self.path = path
        with _damage_named():
            self._scan = pl.scan_parquet(path, glob=False)
            self._columns = _flat(self._scan.collect_schema())
        super().__init__(list(self._columns), dialect)

    def count_rows(self) -> int:
        with _damage_named():
            return self._scan.select(pl.len()).collect().item()

    def chunks(self, chunk_rows: int = 100_000) -> Iterator[TableChunk]:
        rows = self.count_rows()
        if not rows:
            raise no_rows()
        columns = [_as_text(*column).alias(name) for name, column in self._columns.items()]
        for start in range(0, rows, chunk_rows):
            with _damage_named():
                values = self._scan.select(columns).slice(start, chunk_rows).collect()
            places = values.select(row=pl.int_range(start + 1, start + 1 + pl.len()), line=None).cast(PLACES)
            yield TableChunk(places, values, pl.DataFrame(schema=QUARANTINE_SCHEMA), values.height)


@contextmanager
def _damage_named() -> Iterator[None]:
    try:
        yield
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        # Polars panics, rather than raises, at some damaged footers.
        raise UnreadableFile(f"not a sound Parquet file ({error}): fetch or write it again") from error


def _flat(schema: pl.Schema) -> dict[str, tuple[pl.Expr, Any]]:
    found: dict[str, tuple[pl.Expr, Any]] = {}
    for name, dtype in schema.items():
        if isinstance(dtype, pl.Struct):
            for field in dtype.fields:
                found[f"{name}.{field.name}"] = (pl.col(name).struct.field(field.name), field.dtype)
        else:
            found[name] = (pl.col(name), dtype)
    return found


def _as_text(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if dtype == pl.List(pl.String):
        return column.list.join(", ", ignore_nulls=True)
    if dtype.is_nested() or dtype == pl.Object:
        return pl.lit(None, pl.String)
    if dtype.is_float():
        column = column.fill_nan(None)
    if isinstance(dtype, pl.Datetime) and dtype.time_zone:
        column = column.to_physical().cast(pl.Datetime(dtype.time_unit, "UTC"))
    if dtype.is_temporal():
        return column.dt.to_string("iso:strict")
    return column.cast(pl.String, strict=False)
