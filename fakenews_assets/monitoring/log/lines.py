"""Reads the lines of the log as tables, a few megabytes at a time."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import polars as pl
from polars.exceptions import ComputeError, PolarsError
from polars.io.plugins import register_io_source

logger = logging.getLogger(__name__)

_AT_ONCE: Final = 2 << 20
"""Bytes that are parsed together, which bounds the memory."""
_IN_JSON: Final[Mapping[str, pl.DataType]] = {
    "time": pl.String(),
    "predicted_label": pl.Int64(),
    "true_label": pl.Int64(),
}
"""The reader of JSON knows no small integers, and no times."""


def scan_lines(file: Path, schema: pl.Schema) -> pl.LazyFrame:
    """The whole lines of a file, which are read while the query runs. Lines that cannot be read are left out.

    Raises:
        polars.exceptions.ComputeError: nothing among some megabytes can be read. These lines are not damaged, but of
            another version.
    """

    def tables(
        columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, _: int | None
    ) -> Iterator[pl.DataFrame]:
        for lines in whole_lines(file):
            table = parse(lines, schema)
            if predicate is not None:
                table = table.filter(predicate)
            table = table.head(rows) if rows is not None else table
            rows = None if rows is None else rows - table.height
            yield table.select(columns) if columns else table
            if rows == 0:
                return

    return register_io_source(tables, schema=schema)


def whole_lines(file: Path, begin: int = 0, at_once: int = _AT_ONCE) -> Iterator[bytes]:
    """The whole lines after a position, in parts of about so many bytes; a longer line is a part of its own."""
    with file.open("rb") as lines:
        lines.seek(begin)
        rest = b""
        while block := lines.read(at_once):
            whole, end, torn = block.rpartition(b"\n")
            if end:
                yield rest + whole + end
                rest = torn
            else:
                rest += block


def parse(lines: bytes, schema: pl.Schema) -> pl.DataFrame:
    """Whole lines as a table. Raises as `scan_lines`."""
    try:
        return _parse(lines, schema)
    except PolarsError as error:
        tables = []
        for line in lines.splitlines(keepends=True):
            with suppress(PolarsError):
                tables.append(_parse(line, schema))
        if not tables:
            raise ComputeError(f"None of {lines.count(10):,} lines can be read: {error}") from error
        logger.error("%d lines of the log cannot be read", lines.count(b"\n") - len(tables))
        return pl.concat(tables)


def _parse(lines: bytes, schema: pl.Schema) -> pl.DataFrame:
    as_written = {name: _IN_JSON.get(name, dtype) for name, dtype in schema.items()}
    time = pl.col("time").str.to_datetime("%+", time_unit="ms", time_zone="UTC")
    return pl.read_ndjson(lines, schema=as_written).with_columns(time).cast(schema)
