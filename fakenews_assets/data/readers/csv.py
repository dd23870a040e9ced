"""Reads CSV: any of the usual delimiters and line ends, quoted fields with line ends in them."""

import csv
from collections.abc import Iterator
from typing import TextIO

from fakenews_assets.data.readers.lines import MAX_FIELD_CHARS, Lines, runaway
from fakenews_assets.data.readers.table import Dialect, Record, Reject, TextTable

_DELIMITERS = (",", ";", "\t", "|")


class CsvTable(TextTable):
    """Records after a header line.

    Quoting is taken strictly (RFC 4180): a lax reader joins records at a stray quote and goes on with the
    sum of them, a strict one sets it aside.

    Args:
        text: opened with `newline=""`.
        encoding: its name.
        container: as in `Dialect`.
    """

    def __init__(self, text: TextIO, encoding: str, container: str = "") -> None:
        self._text = text
        text.seek(0)
        names, self._delimiter = read_header(Lines(text))
        super().__init__(names, Dialect("CSV", encoding, self._delimiter, container))

    def records(self) -> Iterator[Record | Reject]:
        # The limit belongs to the process, hence is only ever raised: lowering it again would fail another
        # thread in the middle of its own file.
        csv.field_size_limit(max(csv.field_size_limit(), MAX_FIELD_CHARS))
        self._text.seek(0)
        lines = Lines(self._text)
        read_header(lines)
        rows = csv.reader(lines, delimiter=self._delimiter, strict=True)
        number = 0
        while True:
            lines.begin_record()
            try:
                cells = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                if lines.ended:
                    raise runaway(lines, "runs to the end of the file") from error
                if sum(map(len, lines.record)) > MAX_FIELD_CHARS:
                    raise runaway(lines, f"holds more than {MAX_FIELD_CHARS:,} characters") from error
                yield Reject(number, f"{_place(lines)}: {error}", "".join(lines.record))
            else:
                if len(cells) == len(self.names):
                    yield Record(number, cells, sum(map(len, lines.record)))
                elif cells:
                    detail = f"{_place(lines)}: {len(cells)} columns, the header has {len(self.names)}"
                    yield Reject(number, detail, "".join(lines.record))
                else:
                    continue
            number += 1


def read_header(lines: Lines) -> tuple[list[str], str]:
    """Read the column names, and the delimiter: the one that sets most of them apart."""
    line = next((line for line in lines if line.strip()), "")
    readings = {delimiter: next(csv.reader([line], delimiter=delimiter), []) for delimiter in _DELIMITERS}
    delimiter, names = max(readings.items(), key=lambda reading: len(reading[1]))
    return [name.strip() for name in names], delimiter


def _place(lines: Lines) -> str:
    if len(lines.record) == 1:
        return f"line {lines.number}"
    return f"lines {lines.first_line} to {lines.number}"
