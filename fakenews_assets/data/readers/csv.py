"""Reads CSV."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final

from fakenews_assets.data.readers.dialect import find_dialect
from fakenews_assets.data.readers.lines import Lines, LongRecord, RunawayRecord, too_long
from fakenews_assets.data.readers.shape import RecordShape
from fakenews_assets.data.readers.table import (
    Dialect,
    Limits,
    Piece,
    Record,
    Reject,
    TextTable,
    too_many_rows,
)

_SAMPLE_CHARS: Final = 2**17
_PROBE_LINES: Final = 200
_MAX_RECOVERIES: Final = 100
"""Each gives up to a record's lines again; a file with more stray quotes than this takes too long to read."""
_LIKELY: Final = 0.5
_CERTAIN: Final = 0.9
_INNER_LINES: Final = 3
_NO_TEXT_LINES: Final = 100
"""So many lines with as many delimiters as a record has, in a row, are records even where no column tells them from a
text."""
_PADDING: Final = "\0\x1a \t"
"""What old programs end a file with, and blanks."""
_END: Final = "\\."
"""Ends the table in a database's text export."""
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "0": "\0"}
_SHORT: Final = "fewer columns than the header names"
_WIDE: Final = "more columns than the header names: a delimiter in a field without quotes?"
_UNCLOSED: Final = "a quote opens a field and does not close"
_STRAY_QUOTE: Final = "a quote within a quoted field is not doubled"


class CsvTable(TextTable):
    """Records after a header line. A record of blank fields alone, or that repeats the header, is a blank
    line.

    Where a quote that is never closed swallows records, its line is rejected and they are read.

    Args:
        text: opened with `newline=""`.
        dialect: what is known of it.
        limits: of a record, and of the file.
        escaped: some lines with a backslash before a quote.
        header: names of the columns, if the file has no header line.
    """

    def __init__(
        self,
        text: io.TextIOWrapper,
        dialect: Dialect,
        limits: Limits,
        escaped: list[str],
        header: Sequence[str] = (),
    ) -> None:
        self._limits = limits
        # The limit belongs to the process, hence is only ever raised: lowering it again would fail another
        # thread in the middle of its own file.
        csv.field_size_limit(max(csv.field_size_limit(), limits.record_chars))
        text.seek(0)
        self.csv = find_dialect(text.read(_SAMPLE_CHARS) + text.readline(limits.record_chars), escaped)
        if header:
            self.csv = replace(self.csv, names=tuple(header), header_line=0)
        super().__init__(text, self.csv.names, replace(dialect, delimiter=self.csv.delimiter))
        self._shape = RecordShape(len(self.names))

    def pieces(self) -> Iterator[Piece]:
        self._text.seek(0)
        lines = Lines(self._text, self._limits)
        for _ in islice(lines, self.csv.header_line):
            yield Piece(tuple(lines.record), None)
            lines.begin_record()
        reader = self.csv.reader(lines)
        self._shape = RecordShape(len(self.names))  # every reading knows as much as the first
        number, blank, recoveries = 1, 0, 0
        names = list(self.names)
        while True:
            lines.begin_record()
            cells: list[str] = []
            try:
                cells = next(reader)
                if self.csv.copied and any("\\" in cell for cell in cells):
                    cells = [unescaped(cell) for cell in cells]
            except StopIteration:
                return
            except (csv.Error, RunawayRecord) as error:
                fault = self._skip(error, lines) or self._fault(
                    error, lines, may_recover=recoveries < _MAX_RECOVERIES
                )
            else:
                fault = self._fault_of(cells, lines.record)
            if self.csv.copied and cells == [_END]:
                fault, cells = "", []
            if fault == _UNCLOSED:
                recoveries += 1
                lines.put_back(lines.record[1:])
            written = tuple(lines.record)
            if fault:
                yield Piece(written, Reject(number, lines.first_line, fault, "".join(written), len(written)))
            elif any(map(str.strip, cells)) and cells != names:
                self._shape.learn(cells)
                yield Piece(written, Record(number, lines.first_line, cells, lines.chars, len(written)))
            else:
                yield Piece(written, None)
                blank += 1
                number -= 1
            if self._limits.rows is not None and number + blank > self._limits.rows:
                raise too_many_rows(self._limits.rows)
            number += 1

    def _skip(self, error: csv.Error | RunawayRecord, lines: Lines) -> str:
        """Pass over a record with too many characters. Returns its fault; empty: it is none, or swallowed others."""
        if not (self._limits.skip_long and isinstance(error, LongRecord)):
            return ""
        if self._are_records(lines.record[1:], _LIKELY):
            return ""
        lines.skip_record(self.csv.quote)
        return too_long(self._limits.record_chars)

    def _fault(self, error: csv.Error | RunawayRecord, lines: Lines, may_recover: bool) -> str:
        """The kind of a record that could not be read. Raises UnreadableFile if it leaves the rest of the file in doubt."""
        if may_recover and self._are_records(lines.record[1:], _LIKELY):
            return _UNCLOSED
        if isinstance(error, RunawayRecord):
            raise error
        if lines.ended:
            raise lines.runaway("runs to the end of the file") from error
        return _STRAY_QUOTE if "expected after" in str(error) else str(error)

    def _fault_of(self, cells: list[str], record: Sequence[str]) -> str:
        """The kind of fault of a record that could be read; empty: none."""
        if len(cells) == len(self.names):
            # A second stray quote may have closed it well. Most such records are articles of several paragraphs.
            inner = record[1:-1]
            enough = (_INNER_LINES if len(self.names) > 2 else 20) if self._shape.tells else _NO_TEXT_LINES
            return _UNCLOSED if len(inner) >= enough and self._are_records(inner, _CERTAIN) else ""
        if not any(cell.strip(_PADDING) for cell in cells):
            cells.clear()
            return ""
        if len(record) > 1 and self._are_records(record[1:], _LIKELY):
            return _UNCLOSED
        return _SHORT if len(cells) < len(self.names) else _WIDE

    def _are_records(self, lines: Sequence[str], share: float) -> bool:
        """Whether lines within a record are records of their own, at least this share of them."""
        if len(self.names) < 2 or not lines:
            return False
        probe = lines[:_PROBE_LINES]
        others = (1 - share) * len(probe)
        for line in probe:
            if not self._is_record(line):
                others -= 1
                if others < 0:
                    return False
        return True

    def _is_record(self, line: str) -> bool:
        if line.count(self.csv.delimiter) < len(self.names) - 1:  # saves reading it
            return False
        cells = self.csv.row(line)
        return cells is not None and (not self._shape.tells or self._shape.fits(cells))


def unescaped(cell: str) -> str:
    r"""A field of a database's text export, in which `\n` stands for a line end, as it was. Missing ones stay `\N`."""
    return (
        cell if cell in (r"\N", _END) else _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[1]), cell)
    )
