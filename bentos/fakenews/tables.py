"""Reads uploaded CSV files and writes answers as CSV."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final, TextIO

from bentos.fakenews.schemas import MAX_TEXT, MAX_TITLE
from fakenews_assets.models.classifier import Article

HEADER: Final = (
    "row", "title", "label", "verdict", "probability", "abstained", "abstain_reason", "error", "model_id",
    "request_id",
)  # fmt: skip
"""Columns of the answers."""

_MAX_RECORD_CHARS: Final = 2**19
"""Most characters of one row, over all columns. The reader holds the interpreter for one line or cell, so this bounds
the delay of other requests to a few milliseconds."""

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""A cell that begins like this is a formula to a spreadsheet (OWASP, "CSV Injection")."""


class NotATable(ValueError):
    """The upload is invalid; the message says why."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of an upload: an article, or the reason why it is invalid."""

    number: int
    """Counted from 1, without the header."""
    article: Article
    error: str = ""


def count_rows(file: BinaryIO, limit: int, faults: int) -> int:
    """Read an upload once to validate it and count its rows.

    Args:
        file: the upload.
        limit: most rows, including empty lines.
        faults: most invalid rows.

    Raises:
        NotATable: it is not UTF-8, lacks the column `title` or any row, or exceeds a limit.
    """
    rows = faulty = 0
    first = ""
    for line, row in enumerate(_rows_and_gaps(file), 1):
        if line > limit:
            raise NotATable(f"The file has more than {limit:,} rows, counting empty lines; send it in parts.")
        if row is None:
            continue
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


def read_rows(file: BinaryIO) -> Iterator[Row]:
    """Read an upload row by row, from its beginning. Raises NotATable as `count_rows` does, limits aside."""
    return (row for row in _rows_and_gaps(file) if row is not None)


class _Lines(Iterator[str]):
    """Lines of an upload, with a limit per row, because an unclosed quote would swallow the rest of the file."""

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self._number = 0
        self._chars = 0

    def begin_record(self) -> None:
        """Start a new row with the next line."""
        self._chars = 0

    def __next__(self) -> str:
        line = self._text.readline(_MAX_RECORD_CHARS + 1)
        if not line:
            raise StopIteration
        self._number += 1
        self._chars += len(line)
        if self._chars > _MAX_RECORD_CHARS:
            raise NotATable(
                f"The row that line {self._number:,} belongs to has more than {_MAX_RECORD_CHARS:,} characters."
                " Is there a quote that is not closed?"
            )
        return line


def _rows_and_gaps(file: BinaryIO) -> Iterator[Row | None]:
    """The rows of an upload, and None for each empty line between them."""
    file.seek(0)
    csv.field_size_limit(max(csv.field_size_limit(), _MAX_RECORD_CHARS))  # a cell may take up its row
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    try:
        source = _Lines(text)
        lines = csv.reader(source)
        header = [name.strip().lower() for name in next(lines, [])]
        if "title" not in header:
            raise NotATable(
                f"The first line has to name a column `title` (and may name `text`); it holds {header[:10]}."
            )
        width, title = len(header), header.index("title")
        body = header.index("text") if "text" in header else None
        number = 0
        source.begin_record()
        for cells in lines:
            source.begin_record()
            if cells:
                number += 1
                yield _row(number, cells, width, title, body)
            else:
                yield None
    except UnicodeDecodeError as error:
        raise NotATable("The file is not UTF-8. Save it as CSV UTF-8 and send it again.") from error
    except csv.Error as error:
        raise NotATable(f"The file is not CSV: {error}.") from error
    finally:
        text.detach()


def answer_line(cells: Sequence[object]) -> str:
    """One line of CSV, escaped so that no spreadsheet reads a cell as a formula."""
    line = io.StringIO()
    csv.writer(line).writerow([_harmless(cell) if isinstance(cell, str) else cell for cell in cells])
    return line.getvalue()


def _row(number: int, cells: Sequence[str], width: int, title: int, body: int | None) -> Row:
    article = Article(
        cells[title] if title < len(cells) else "",
        cells[body] if body is not None and body < len(cells) else "",
    )
    return Row(number, article, _fault(article, len(cells), width))


def _fault(article: Article, cells: int, width: int) -> str:
    if cells > width:
        return f"{cells} cells under {width} headings: a comma without quotes?"
    if not article.title.strip():
        return "no title"
    if len(article.title) > MAX_TITLE:
        return f"title longer than {MAX_TITLE:,} characters"
    if len(article.text) > MAX_TEXT:
        return f"text longer than {MAX_TEXT:,} characters"
    return ""


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
