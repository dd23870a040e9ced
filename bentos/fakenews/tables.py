"""CSV files in, CSV files out."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

from bentos.fakenews.schemas import MAX_TEXT, MAX_TITLE
from fakenews_assets.data.reading_lines import MAX_FIELD_CHARS
from fakenews_assets.training.classifier import Article

HEADER: Final = (
    "row", "title", "label", "verdict", "probability", "abstained", "abstain_reason", "error", "model_id",
    "request_id",
)  # fmt: skip
"""Columns of the answers."""

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""A cell that begins like this is a formula to a spreadsheet (OWASP, "CSV Injection")."""


class NotATable(ValueError):
    """The upload cannot be answered; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of an upload: an article, or what is wrong with it."""

    number: int
    """Counted from 1, without the header."""
    article: Article
    error: str = ""


def count_rows(file: BinaryIO, limit: int) -> int:
    """Read an upload once, from its beginning.

    Raises:
        NotATable: no UTF-8, no column `title`, no row, or more than `limit` of them.
    """
    rows = 0
    for row in read_rows(file):
        rows = row.number
        if rows > limit:
            raise NotATable(f"The file has more than {limit:,} rows; send it in parts.")
    if not rows:
        raise NotATable("The file has a header and no rows.")
    return rows


def read_rows(file: BinaryIO) -> Iterator[Row]:
    """Read an upload row by row, from its beginning. Raises NotATable as `count_rows` does."""
    file.seek(0)
    # The same limit as everywhere in the process; what is too long for the model gets an answer of its own.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_FIELD_CHARS))
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    try:
        lines = csv.reader(text)
        header = [name.strip().lower() for name in next(lines, [])]
        if "title" not in header:
            raise NotATable(
                f"The first line has to name a column `title` (and may name `text`); it holds {header[:10]}."
            )
        width, title = len(header), header.index("title")
        body = header.index("text") if "text" in header else None
        number = 0
        for cells in lines:
            if cells:  # else an empty line
                number += 1
                yield _row(number, cells, width, title, body)
    except UnicodeDecodeError as error:
        raise NotATable("The file is not UTF-8. Save it as CSV UTF-8 and send it again.") from error
    except csv.Error as error:
        raise NotATable(f"The file is not CSV: {error}.") from error
    finally:
        text.detach()


def answer_line(cells: Sequence[object]) -> str:
    """One line of CSV whose cells no spreadsheet takes for a formula."""
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
