"""Shared by the readers of all formats: column names, and chunks of rows."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from fakenews_assets.data.schema import QUARANTINE_SCHEMA, RAW_SCHEMA, Reason

COLUMNS: Final = {
    "title": ("title",),
    "text": ("text",),
    "label": ("label",),
    "source": ("source", "publisher", "domain", "site"),
    "url": ("url", "link"),
    "group": ("group", "leaning", "bias"),
    "published_at": ("published_at", "published", "date"),
}
"""Each column of a raw table, and the names it may have in a file: the first one present counts."""

MAX_CHUNK_CHARS: Final = 64 * 2**20
"""A chunk ends here even if it is short of rows, which bounds memory where articles are long."""

RECORD_CHARS: Final = 500
"""How much of a record a reject quotes."""

_MISSING: Final = (
    "<na>", "n/a", "na", "nan", "-nan", "nat", "none", "null",
    "#n/a", "#n/a n/a", "#na", "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan",
)  # fmt: skip
"""Words for a missing value: those that pandas reads as missing by default, and `NaT`. Such a word is no headline,
and as a text it would link unrelated articles."""

_MISSING_VALUE: Final = rf"(?i)^\s*(?:{'|'.join(map(pl.escape_regex, _MISSING))})\s*$"
_SURROGATE = re.compile("[\ud800-\udfff]")


class UnreadableFile(ValueError):
    """The file cannot be read as a news table. The message says what is wrong and what to do."""


@dataclass(frozen=True)
class RawChunk:
    """A run of records of one file.

    Attributes:
        rows: records that could be read, as `RAW_SCHEMA`.
        rejects: records that could not, as `QUARANTINE_SCHEMA`.
    """

    rows: pl.DataFrame
    rejects: pl.DataFrame


def plain_name(name: str) -> str:
    """A column name without its case, surrounding blanks and byte-order mark."""
    return name.strip().strip("\ufeff").strip().lower()


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
        raise missing_title(names)
    return found


def missing_title(names: Sequence[str]) -> UnreadableFile:
    listed = ", ".join(repr(readable(name)[:50]) for name in names[:20]) or "none"
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return UnreadableFile(
        f"no `title` column; columns found: {listed}{more}. Rename the headline column to `title`"
    )


def readable(text: str) -> str:
    """The text with undecodable bytes and lone surrogates shown as U+FFFD."""
    return _SURROGATE.sub("\ufffd", text)


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


class ChunkBuilder:
    """Gathers the records of a text file and hands them over in chunks.

    Text is expected to be decoded with `surrogateescape`, so that a record with invalid UTF-8 still
    arrives here and can be told apart.
    """

    def __init__(self, chunk_rows: int) -> None:
        self.seen = 0
        """Records so far, rejects included; also the number of the next record."""
        self._chunk_rows = chunk_rows
        self._wrongly_encoded = 0
        self._chars = 0
        self._numbers: list[int] = []
        self._records: list[Sequence[str | None]] = []
        self._rejects: list[tuple[int, str, str, str]] = []

    def add(self, record: Sequence[str | None], chars: int) -> None:
        """Take a record; `chars` is what it weighs against `MAX_CHUNK_CHARS`."""
        self._numbers.append(self.seen)
        self._records.append(record)
        self._chars += chars
        self.seen += 1

    def reject(self, reason: Reason, detail: str, record: str) -> None:
        """Reject the record."""
        self._reject(self.seen, reason, detail, record)
        self.seen += 1

    @property
    def full(self) -> bool:
        return len(self._records) + len(self._rejects) >= self._chunk_rows or self._chars >= MAX_CHUNK_CHARS

    def take(self, positions: dict[str, int]) -> RawChunk:
        """Return the collected records and start a new chunk.

        Args:
            positions: where in a record each column stands.
        """
        try:
            rows = self._frame(positions)
        except UnicodeEncodeError:
            self._set_aside_wrongly_encoded(positions)
            rows = self._frame(positions)
        rejects = pl.DataFrame(self._rejects, schema=QUARANTINE_SCHEMA, orient="row").sort("row")
        self._numbers, self._records, self._rejects, self._chars = [], [], [], 0
        return RawChunk(tidy(rows), rejects)

    def finish(self, positions: dict[str, int]) -> RawChunk:
        """Deliver the last chunk.

        Raises:
            UnreadableFile: if the file had no records, or if most of them were not UTF-8.
        """
        if not self.seen:
            raise UnreadableFile("the file has a header and no rows: check that it was written to the end")
        chunk = self.take(positions)
        if 2 * self._wrongly_encoded > self.seen:
            raise UnreadableFile(
                f"{self._wrongly_encoded} of {self.seen} rows are not UTF-8; the file is probably Windows-1252 "
                "(Latin-1): convert it with `iconv -f WINDOWS-1252 -t UTF-8`, or save it again as UTF-8"
            )
        return chunk

    def _reject(self, number: int, reason: Reason, detail: str, record: str) -> None:
        self._rejects.append((number, reason.value, readable(detail), readable(record[:RECORD_CHARS])))

    def _frame(self, positions: dict[str, int]) -> pl.DataFrame:
        columns = list(zip(*self._records, strict=True)) or [()] * (max(positions.values()) + 1)
        return pl.DataFrame(
            [pl.Series("row", self._numbers, dtype=pl.Int64)]
            + [pl.Series(name, columns[at], dtype=pl.String) for name, at in positions.items()]
        )

    def _set_aside_wrongly_encoded(self, positions: dict[str, int]) -> None:
        numbers, records = self._numbers, self._records
        self._numbers, self._records = [], []
        for number, record in zip(numbers, records, strict=True):
            if detail := _encoding_fault(record, positions):
                text = ",".join(value or "" for value in record)
                self._reject(number, Reason.WRONG_ENCODING, detail, text)
                self._wrongly_encoded += 1
            else:
                self._numbers.append(number)
                self._records.append(record)


def _encoding_fault(record: Sequence[str | None], positions: dict[str, int]) -> str | None:
    for name, at in positions.items():
        if fault := _SURROGATE.search(record[at] or ""):
            code = ord(fault[0])
            # surrogateescape maps the undecodable byte b to U+DC00 + b; other codes come from JSON escapes.
            what = (
                f"byte 0x{code - 0xDC00:02X}" if 0xDC80 <= code <= 0xDCFF else f"lone surrogate U+{code:04X}"
            )
            return f"{what} at character {fault.start()} of {name}"
    return None
