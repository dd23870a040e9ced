"""Detects the dialect of a CSV file: its delimiter, its quotes, and where its header is."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

from fakenews_assets.data.readers.shape import RecordShape

_DELIMITERS: Final = (",", ";", "\t", "|")
_SEPARATOR_LINE: Final = re.compile(r'"?sep=(.)"?[,;\t|]*\s*', re.IGNORECASE)
"""A first line by which a file tells Excel its delimiter."""
_SPACED_QUOTE: Final = re.compile(r' +".*')
_QUOTED: Final = re.compile(r'"(?:[^"\\]|""|\\.)*"')
_PREAMBLE_ROWS: Final = 10
"""Most lines before a header, such as a title or a comment."""
_PREAMBLE: Final = re.compile(r"\s*(?:#|\S+\s+\S)")
"""A comment, or several words: one word is the name of a column."""
_SURE_SHARE: Final = 0.9
_LIKELY: Final = 0.5
_NAME_CHARS: Final = 40
"""A row after a title or comments is the header only if it has no longer field."""
_COUNTS: Final = re.compile(
    r"(?:.*[\W_])?(?:ids?|index|idx|row|nr|no|num|number|serial|key)|#|unnamed.*", re.IGNORECASE
)
"""Names of a column of numbers, or of words without blanks that tell records apart."""
_COUNT: Final = re.compile(r"\s*\S*\d\S*\s*")
_NAME: Final = re.compile(rf"(?=.*[^\W\d_]).{{1,{_NAME_CHARS}}}")


@dataclass(frozen=True)
class CsvDialect:
    """How a CSV file is written.

    Attributes:
        names: of the columns.
        delimiter: between fields.
        header_line: number of the last line of the header, from 1; records follow.
        quote: around fields; empty: a quote is a character like others.
        escape: before a quote within a field; None: such a quote is doubled.
        spaced: whether a space may stand between a delimiter and a quote.
        copied: whether it is a database's text export (`COPY` of Postgres, `OUTFILE` of MySQL): a backslash stands before a
            letter for a line end or a tab, and a line of `\\.` ends the table.
    """

    names: tuple[str, ...]
    delimiter: str
    header_line: int
    quote: str = '"'
    escape: str | None = None
    spaced: bool = False
    copied: bool = False

    def reader(self, lines: Iterable[str]) -> Any:
        """A reader of records. Quoting is taken strictly (RFC 4180): a lax reader joins records at a stray quote and
        goes on with the sum of them, a strict one refuses it."""
        if self.escape:
            lines = map(self._escaping_delimiters, lines)
        return csv.reader(lines, strict=True, **self.settings)

    def _escaping_delimiters(self, line: str) -> str:
        """A line whose backslashes are for `csv`, which drops each: a field `\\N` is missing, and a backslash that escapes
        neither a quote, a delimiter, a line end nor itself is one of the text."""
        if "\\" not in line:
            return line
        return _backslashes(self.delimiter).sub(
            lambda found: "" if found["missing"] else found[0] if found["escape"] else "\\\\", line
        )

    def row(self, line: str) -> list[str] | None:
        """The fields of a line that is a record; None: it is none."""
        try:
            (cells,) = self.reader([line])
        except (csv.Error, ValueError):
            return None
        return cells if len(cells) == len(self.names) else None

    @property
    def settings(self) -> dict[str, Any]:
        """As the module `csv` takes them."""
        return {
            "delimiter": self.delimiter,
            "quotechar": self.quote or None,
            "quoting": csv.QUOTE_MINIMAL if self.quote else csv.QUOTE_NONE,
            "escapechar": self.escape,
            "skipinitialspace": self.spaced,
        }

    def writer(self, cells: io.StringIO, line_end: str) -> Any:
        """A writer of records that `reader` reads."""
        return csv.writer(cells, lineterminator=line_end, **self.settings)


@cache
def _backslashes(delimiter: str) -> re.Pattern[str]:
    """What a backslash of a file may be: a missing field, an escape, or one of the text."""
    end = re.escape(delimiter)
    return re.compile(rf'(?P<missing>(?:^|(?<={end}))\\N(?={end}|[\r\n]|$))|(?P<escape>\\["\\\r\n{end}])|\\')


def find_dialect(sample: str, escaped: Sequence[str] = ()) -> CsvDialect:
    """Find how a file is written.

    Args:
        sample: its beginning, up to the end of a line.
        escaped: some lines from all over the file with a backslash before a quote.
    """
    lines = list(io.StringIO(sample, newline=""))
    start = next((at for at, line in enumerate(lines) if line.strip()), 0)
    told = _SEPARATOR_LINE.fullmatch(lines[start]) if lines else None
    start += told is not None
    candidates = [told[1]] if told else _DELIMITERS
    readings = [_reading(lines[start:], delimiter) for delimiter in candidates]
    best = max(readings, key=lambda reading: reading.fit)
    found = replace(best.dialect, header_line=start + best.dialect.header_line)
    if found.copied:
        return found
    with_escape = replace(found, escape="\\")
    votes = sum((with_escape.row(line) is not None) - (found.row(line) is not None) for line in escaped)
    if escaped and not votes:  # such a line is part of a longer record
        votes = _sound_rows(with_escape, lines) - _sound_rows(found, lines)
    return with_escape if votes > 0 else found


def _sound_rows(dialect: CsvDialect, lines: list[str]) -> int:
    reader = dialect.reader(iter(lines[dialect.header_line :]))
    rows = 0
    while True:
        try:
            rows += len(next(reader)) == len(dialect.names)
        except StopIteration:
            return rows
        except csv.Error:
            continue


@dataclass(frozen=True)
class _Reading:
    dialect: CsvDialect
    fit: tuple[bool, bool, float, int]


def _reading(lines: list[str], delimiter: str) -> _Reading:
    """What a delimiter makes of a file, and how well it fits: best is one that stands in the first line and gives most
    rows as many fields, then one that does so in a later line."""
    quote = _quote(lines, delimiter)
    rows, ends = _rows(lines, delimiter, quote, spaced=False)
    spaced = bool(quote) and sum(any(map(_SPACED_QUOTE.match, row)) for row in rows) > len(rows) / 2
    if spaced:
        rows, ends = _rows(lines, delimiter, quote, spaced=True)
    header = _header_at(rows)
    names = [name.strip().strip("\ufeff").strip() for name in rows[header]] if rows else []
    if names:
        names[0] = names[0].removeprefix("# ")
    body = rows[header + 1 :]
    names = _with_unnamed(names, body)
    share = sum(len(row) == len(names) for row in body) / len(body) if body else 1.0
    dialect = CsvDialect(
        tuple(names),
        delimiter,
        ends[header] if ends else len(lines),
        quote,
        spaced=spaced,
        copied=delimiter == "\t" and not quote and _is_copied(lines),
    )
    parts = len(names) > 1
    return _Reading(dialect, (parts and header == 0 and share >= _LIKELY, parts, share, len(names)))


def _quote(lines: list[str], delimiter: str) -> str:
    """What quotes fields; empty: nothing does."""
    if lines and re.match(r"\s*'[^']*'\s*(?:$|" + re.escape(delimiter) + r"\s*')", lines[0]):
        return "'"
    return "" if delimiter == "\t" and (_is_copied(lines) or _is_unquoted(lines)) else '"'


def _is_copied(lines: list[str]) -> bool:
    """Whether lines are of a database's text export: a field between tabs is `\\N`, or the last line `\\.`, and hardly any
    field is quoted."""
    ends = bool(lines) and lines[-1].strip() == "\\."
    cells = [cell for line in lines for cell in line.rstrip("\r\n").split("\t")]
    quoted = sum(map(bool, map(_QUOTED.fullmatch, cells)))
    return (ends or "\\N" in cells) and quoted <= len(lines) / 2


def _is_unquoted(lines: list[str]) -> bool:
    """Whether quotes between tabs are those of sentences: each line is a record without quoting, and not with it, and fewer
    quotes are doubled than stand alone."""
    tabs = {line.count("\t") for line in lines if line.strip()}
    if len(tabs) != 1 or not tabs.pop() or _is_sound(lines):
        return False
    cells = [cell for line in lines if '"' in line for cell in line.rstrip("\r\n").split("\t")]
    opened = [cell for cell in cells if cell.startswith('"')]
    quoted = [cell for cell in opened if _QUOTED.fullmatch(cell)]
    return len(opened) - len(quoted) > sum('""' in cell[1:-1] or "\\" in cell for cell in quoted)


def _is_sound(lines: list[str]) -> bool:
    """Whether lines are records of one length between tabs where quotes count."""
    try:
        return len({len(row) for row in csv.reader(lines, delimiter="\t", strict=True) if row}) == 1
    except csv.Error:
        return False


def _rows(lines: list[str], delimiter: str, quote: str, spaced: bool) -> tuple[list[list[str]], list[int]]:
    """The rows that are not blank, read laxly, and the line where each ends."""
    settings = CsvDialect((), delimiter, 0, quote, spaced=spaced).settings
    reader = csv.reader(lines, **settings)
    rows, ends = [], []
    try:
        for row in reader:
            if any(map(str.strip, row)):
                rows.append(row)
                ends.append(reader.line_num)
    except csv.Error:  # a field beyond the limit: what came before it tells enough
        pass
    return rows, ends


def _header_at(rows: list[list[str]]) -> int:
    """The row that names the columns: the first, what stands before it being a title, comments or names of groups."""
    at = _after_title(rows)
    return at + _names_groups(rows[at:])


def _names_groups(rows: list[list[str]]) -> bool:
    """Whether the first row names groups of columns, as merged cells do: it lacks names that the second has, whose cells
    are short, differ, and are of another kind than those below."""
    if len(rows) < 3 or len(rows[0]) != len(rows[1]):
        return False
    if not any(
        name.strip() and not group.strip() for group, name in zip(rows[0][1:], rows[1][1:], strict=True)
    ):
        return False
    names = [name.strip().lower() for name in rows[1] if name.strip()]
    if len(set(names)) < len(names) or not all(map(_NAME.fullmatch, names)):
        return False
    shape = RecordShape(len(rows[1]))
    for row in rows[2:]:
        if len(row) == len(rows[1]):
            shape.learn(row)
    return shape.tells and shape.differs(rows[1])


def _after_title(rows: list[list[str]]) -> int:
    """The first row as wide as most, if what stands before it are lines of one field, such as a title or comments."""
    if len(rows) < 3:
        return 0
    width = Counter(map(len, rows)).most_common(1)[0][0]
    for at, row in enumerate(rows[: _PREAMBLE_ROWS + 1]):
        filled = [cell for cell in row if cell.strip()]
        if len(filled) > 1 or not _PREAMBLE.match(filled[0]):
            alike = sum(len(one) == width for one in rows[at:])
            sure = len(row) == width and alike >= _SURE_SHARE * len(rows[at:])
            return at if sure and max(map(len, row)) <= _NAME_CHARS else 0
    return 0


def _with_unnamed(names: list[str], body: list[list[str]]) -> list[str]:
    """The names with one more, or one less, where all rows have it so: R leaves the column of row numbers without one, and
    some writers end every line with a delimiter."""
    widths = set(map(len, body[:-1] or body))  # the last row may be cut
    if not names or len(widths) != 1:
        return names
    (width,) = widths
    if width == len(names) + 1:
        if not any(row[-1].strip() for row in body):
            return [*names, ""]
        numbered = all(row[0].isdecimal() for row in body[:-1] or body)
        # Else the numbers are the named column, and a delimiter in another field is not quoted.
        if numbered and (not _COUNTS.fullmatch(names[0]) or all(_COUNT.fullmatch(row[1]) for row in body)):
            return ["", *names]
    if width == len(names) - 1 and not names[-1]:
        return names[:-1]
    return names
