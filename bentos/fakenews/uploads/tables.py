"""Reads uploaded tables, by the reader of ingestion, and writes answers as CSV."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import BinaryIO, Final, Self

import polars as pl

from bentos.fakenews.schemas import MAX_TEXT, MAX_TITLE
from fakenews_assets.data.fields.columns import NoTitle, choose_columns
from fakenews_assets.data.fields.mapping import BatchMapping
from fakenews_assets.data.fields.missing import is_missing
from fakenews_assets.data.readers.reading import open_table
from fakenews_assets.data.readers.table import Limits, Record, Reject, TextTable, UnreadableFile
from fakenews_assets.models.classifier import Article

HEADER: Final = (
    "row", "title", "label", "verdict", "probability", "abstained", "abstain_reason", "truncated", "error", "model_id",
    "request_id",
)  # fmt: skip
"""Columns of the answers, which those of the upload follow."""

_MAX_RECORD_CHARS: Final = 2**19
"""Most characters of one row, over all columns. The reader holds the interpreter for one line or cell, so this bounds
the delay of other requests to a few milliseconds. A longer row is answered with an error."""

_DOCUMENT_MEMORY: Final = 2**30
_DOCUMENT_SECONDS: Final = 60

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""A cell that begins like this is a formula to a spreadsheet (OWASP, "CSV Injection"), unless it is a number."""
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?:[.,][0-9]+)*|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?")

_NO_LABEL: Final = BatchMapping(columns={"label": ""})
"""A label is no part of an article that is asked about."""


class NotATable(ValueError):
    """The upload is invalid; the message says why."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of an upload: an article, or the reason why it is invalid."""

    number: int
    """Counted from 1, without the header."""
    article: Article
    others: tuple[str, ...] = ()
    """Values of the columns besides title and text."""
    error: str = ""


class Upload:
    """An uploaded table, which can be read several times.

    Args:
        file: with a descriptor.
        rows: most rows, including empty lines.
        unpacked_bytes: most bytes of a table that is packed.

    Raises:
        NotATable: it cannot be read, or exceeds a limit; on reading the rows too.
    """

    def __init__(self, file: BinaryIO, rows: int, unpacked_bytes: int) -> None:
        limits = Limits(
            unpacked_bytes=unpacked_bytes,
            document_memory=_DOCUMENT_MEMORY,
            document_seconds=_DOCUMENT_SECONDS,
            record_chars=_MAX_RECORD_CHARS,
            skip_long=True,
            rows=rows,
            parquet=False,
        )
        with _as_not_a_table(), ExitStack() as opened:
            table = opened.enter_context(open_table(file, limits))
            assert isinstance(table, TextTable)
            used = choose_columns(table.names, pl.DataFrame(), _NO_LABEL).used
            self._open = opened.pop_all()
        self._table = table
        self._title = table.names.index(used["title"])
        self._text = table.names.index(used["text"]) if "text" in used else None
        self._others = [
            at for at, name in enumerate(table.names) if name and at not in (self._title, self._text)
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def header(self) -> tuple[str, ...]:
        """Columns of the answers: `HEADER`, then those of the upload besides title and text. No two have the same name."""
        header: list[str] = list(HEADER)
        for at in self._others:
            name = self._table.names[at]
            while name in header:
                name = f"uploaded_{name}"
            header.append(name)
        return tuple(header)

    @property
    def mark(self) -> str:
        """A byte-order mark, without which Excel takes UTF-8 for another encoding, if the upload came from it."""
        dialect = self._table.dialect
        from_excel = dialect.format == "spreadsheet" or dialect.delimiter == ";" or "BOM" in dialect.encoding
        return "\ufeff" if from_excel or dialect.encoding.startswith("UTF-16") else ""

    @property
    def read_as(self) -> str:
        """How the upload was found to be written, in ASCII, such as "CSV in Windows-1250, delimited by `;`"."""
        return str(self._table.dialect).encode("ascii", "replace").decode()

    def count_rows(self, faults: int) -> int:
        """Read the upload once to validate it and count its rows.

        Args:
            faults: most invalid rows.

        Raises:
            NotATable: it lacks rows, or exceeds a limit.
        """
        rows = faulty = 0
        first = ""
        for row in self.rows():
            rows = row.number
            if row.error:
                faulty += 1
                first = first or f"row {row.number:,}: {row.error}"
            if faulty > faults:
                raise NotATable(
                    f"The file has more than {faults:,} invalid rows. The first is {first}. Correct them"
                    " and send the file again."
                )
        if not rows:
            raise NotATable("The file has a header and no rows.")
        return rows

    def rows(self) -> Iterator[Row]:
        """Read the upload row by row, from its beginning."""
        with _as_not_a_table():
            yield from map(self._row, self._table.records())

    def answer_line(self, cells: Sequence[object]) -> str:
        """One line of CSV with the delimiter of the upload, escaped so that no spreadsheet reads a cell as a formula."""
        line = io.StringIO()
        writer = csv.writer(line, delimiter=self._table.dialect.delimiter or ",")
        writer.writerow([harmless(cell) if isinstance(cell, str) else cell for cell in cells])
        return line.getvalue()

    def _row(self, found: Record | Reject) -> Row:
        if isinstance(found, Reject):
            others = ("",) * len(self._others)
            return Row(found.number, Article("", ""), others, f"line {found.line:,}: {found.detail}")
        text = "" if self._text is None else found.cells[self._text] or ""
        article = Article(found.cells[self._title] or "", "" if text and is_missing(text.strip()) else text)
        others = tuple(found.cells[at] or "" for at in self._others)
        return Row(found.number, article, others, _fault(article))


def harmless(cell: str) -> str:
    """A cell that no spreadsheet reads as a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA) and not _NUMBER.fullmatch(cell) else cell


@contextmanager
def _as_not_a_table() -> Iterator[None]:
    try:
        yield
    except NoTitle as error:
        raise NotATable(
            f"The file has {error.found}. Rename the headline column to `title`. A list without a header needs `title` as"
            " its first line, and texts without headlines need their first words there."
        ) from error
    except UnreadableFile as error:
        message = str(error)
        if "parquet" in message.lower() and "not read here" not in message:
            message += ". Choose CSV: Parquet is not read here"
        raise NotATable(f"{message[0].upper()}{message[1:]}.") from error


def _fault(article: Article) -> str:
    if is_missing(article.title.strip()):
        return "no title"
    if len(article.title) > MAX_TITLE:
        return f"title longer than {MAX_TITLE:,} characters"
    if len(article.text) > MAX_TEXT:
        return f"text longer than {MAX_TEXT:,} characters"
    return ""
