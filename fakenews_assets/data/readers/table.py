"""What a reader makes of a file: all of its columns as text, record by record or in chunks."""

import io
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from fakenews_assets.data.schema import QUARANTINE_SCHEMA, RAW_SCHEMA, Reason

MAX_CHUNK_CHARS: Final = 64 * 2**20
"""A chunk ends here even if it is short of rows, which bounds memory where articles are long."""

PLACES: Final = pl.Schema({name: RAW_SCHEMA[name] for name in ("row", "line")})
"""Columns that say where a record stands."""

RECORD_CHARS: Final = 500
"""How much of a record a reject quotes."""

_SURROGATE = re.compile("[\ud800-\udfff]")


class UnreadableFile(ValueError):
    """The file cannot be read as a table. The message says what is wrong and what to do."""


@dataclass(frozen=True)
class Limits:
    """What a file may take up before it is refused."""

    unpacked_bytes: int = 64 * 2**30
    """Of a table in an archive or a compressed file."""
    document_memory: int = 4 * 2**30
    """Of the process that reads a spreadsheet or a JSON document."""
    document_seconds: int = 600
    record_chars: int = 64 * 2**20
    """Of one record and of one line. The cleaner draws a far lower line for real articles; this one only tells a large
    field from a file that is damaged."""
    skip_long: bool = False
    """Reject a record beyond `record_chars` alone, instead of the file. Its text is not kept."""
    record_lines: int = 20_000
    """A quote that is never closed turns the rest of a file into one record."""
    rows: int | None = None
    """Records and blank lines."""
    parquet: bool = True
    """Whether a format counts of which a small file may take up any amount of memory."""


@dataclass(frozen=True)
class Dialect:
    """How a file was found to be written."""

    format: str
    """Such as "CSV"."""
    encoding: str = ""
    """Of a text, such as "Windows-1252"."""
    delimiter: str = ""
    """Of a CSV file."""
    container: str = ""
    """What the table lies in, such as "gzip"; empty if the file is the table itself."""

    def __str__(self) -> str:
        parts = [f"{self.format} in {self.encoding}" if self.encoding else self.format]
        if self.delimiter and self.format == "CSV":
            parts.append(
                "delimited by tabs" if self.delimiter == "\t" else f"delimited by `{self.delimiter}`"
            )
        if self.container:
            parts.append(f"from {self.container}")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Record:
    """A record that could be read.

    Attributes:
        number: of all records of the file from 1, rejects included.
        line: where it begins, from 1; in a spreadsheet and a JSON document, in what it was converted to.
        cells: one for each name of the table; None where the record has no such column.
        chars: how long it is in the file.
        lines: how many it takes up.
    """

    number: int
    line: int
    cells: Sequence[str | None]
    chars: int
    lines: int = 1


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that could not be read.

    Attributes:
        number: as `Record.number`.
        line: as `Record.line`.
        detail: the kind of fault, the same for all records of the kind.
        text: the record as written.
        lines: how many it takes up.
    """

    number: int
    line: int
    detail: str
    text: str
    lines: int = 1


@dataclass(frozen=True)
class TableChunk:
    """A run of records.

    Attributes:
        places: columns `row` (as `Record.number`) and `line` of each row; without lines, null.
        values: all columns as text, in the order of `Table.names`; repeated names have a suffix here.
        rejects: QUARANTINE_SCHEMA.
        lines: how many lines of the file the rows and rejects take up; in a file without lines, how many they are.
    """

    places: pl.DataFrame
    values: pl.DataFrame
    rejects: pl.DataFrame
    lines: int


class Table(ABC):
    """A file whose format is known and whose records can be read, from the beginning each time."""

    def __init__(self, names: Sequence[str], dialect: Dialect) -> None:
        self.names = tuple(names)
        """Columns as the file names them, in its order; a name may repeat."""
        self.dialect = dialect

    @abstractmethod
    def count_rows(self) -> int:
        """How many records the file has, rejects included. Raises like `chunks`."""

    @abstractmethod
    def chunks(self, chunk_rows: int = 100_000) -> Iterator[TableChunk]:
        """Read the file in chunks of at most so many records; a chunk also ends at 64 Mi characters.

        Raises:
            UnreadableFile: on reaching the fault, which may be after the first chunks: keep nothing of the file
                unless the iteration ends.
        """


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text: a record, or what stands before and between records.

    Attributes:
        lines: the part as it stands in the file.
        found: the record; None for a header or a blank line.
    """

    lines: Sequence[str]
    found: Record | Reject | None


class TextTable(Table):
    """A table that is written as text, which can be read record by record.

    Args:
        text: opened with `newline=""`.
    """

    def __init__(self, text: io.TextIOWrapper, names: Sequence[str], dialect: Dialect) -> None:
        super().__init__(names, dialect)
        self._text = text
        self.codec = text.encoding
        """Python's name of the encoding."""

    @abstractmethod
    def pieces(self) -> Iterator[Piece]:
        """Read the text piece by piece; joined, they are the text. Raises like `chunks`."""

    def records(self) -> Iterator[Record | Reject]:
        """Read the file record by record. Raises like `chunks`."""
        return (piece.found for piece in self.pieces() if piece.found is not None)

    def count_rows(self) -> int:
        return sum(1 for _ in self.records())

    def chunks(self, chunk_rows: int = 100_000) -> Iterator[TableChunk]:
        records: list[Record] = []
        rejects: list[Reject] = []
        chars = seen = 0
        for one in self.records():
            seen += 1
            if isinstance(one, Record):
                records.append(one)
                chars += one.chars
            else:
                rejects.append(one)
            if len(records) + len(rejects) >= chunk_rows or chars >= MAX_CHUNK_CHARS:
                yield _chunk(self.names, records, rejects)
                records, rejects, chars = [], [], 0
        if not seen:
            raise no_rows()
        yield _chunk(self.names, records, rejects)


def too_many_rows(limit: int) -> UnreadableFile:
    """The error for a table beyond `Limits.rows`."""
    return UnreadableFile(f"the file has more than {limit:,} rows, counting empty lines: send it in parts")


def no_rows() -> UnreadableFile:
    """The error for a table without records."""
    return UnreadableFile("the file has a header and no rows: check that it was written to the end")


def readable(text: str) -> str:
    """The text with lone surrogates, which no UTF-8 can hold, shown as U+FFFD."""
    return _SURROGATE.sub("\ufffd", text)


def unique_names(names: Iterable[str]) -> list[str]:
    """Names of the columns of a frame: those that repeat get a suffix."""
    found: dict[str, None] = {}
    for at, name in enumerate(names):
        found[name if name not in found else f"{name} ({at})"] = None
    return list(found)


def _chunk(names: Sequence[str], records: Sequence[Record], rejects: Sequence[Reject]) -> TableChunk:
    columns = zip(*(record.cells for record in records), strict=True) if records else [()] * len(names)
    refused = [
        (
            one.number,
            one.line,
            Reason.UNREADABLE_ROW.value,
            one.detail,
            one.lines,
            readable(one.text[:RECORD_CHARS]),
        )
        for one in rejects
    ]
    return TableChunk(
        pl.DataFrame(
            {"row": [one.number for one in records], "line": [one.line for one in records]}, schema=PLACES
        ),
        pl.DataFrame(
            [
                pl.Series(name, cells, dtype=pl.String)
                for name, cells in zip(unique_names(names), columns, strict=True)
            ]
        ),
        pl.DataFrame(refused, schema=QUARANTINE_SCHEMA, orient="row"),
        sum(record.lines for record in records) + sum(one.lines for one in rejects),
    )
