"""Lines of a text, with limits that keep a damaged file from filling memory."""

from collections.abc import Iterator
from typing import Final, TextIO

from fakenews_assets.data.readers.table import UnreadableFile

MAX_FIELD_CHARS: Final = 64 * 2**20
"""Most characters of one field and of one line. The cleaner draws a far lower line for real articles;
this one only tells a large field from a file that is damaged."""

MAX_RECORD_LINES: Final = 20_000
"""Most lines of one record: a quote that is never closed turns the rest of a file into one record."""


class Lines(Iterator[str]):
    """Iterates over the lines of a text and remembers those of the record under way.

    Args:
        text: opened with `newline=""`, so that LF, CRLF and CR all end a line, which keeps its end.

    Raises:
        UnreadableFile: at a line or record beyond the limits.
    """

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self.record: list[str] = []
        """Lines since the last `begin_record`."""
        self.number = 0
        """Lines so far."""
        self.ended = False
        """Whether the end of the stream was reached."""

    def __next__(self) -> str:
        line = self._text.readline(MAX_FIELD_CHARS)
        if not line:
            self.ended = True
            raise StopIteration
        if len(self.record) == MAX_RECORD_LINES:
            raise runaway(self, f"is longer than {MAX_RECORD_LINES:,} lines")
        self.number += 1
        if len(line) == MAX_FIELD_CHARS and not line.endswith(("\n", "\r")):
            raise UnreadableFile(
                f"line {self.number} is longer than {MAX_FIELD_CHARS:,} characters: the file is not a table in "
                "text form, or has lost its line ends; write it again with a CSV or JSON Lines writer"
            )
        self.record.append(line)
        return line

    def begin_record(self) -> None:
        """Forget the lines of the last record."""
        self.record.clear()

    @property
    def first_line(self) -> int:
        """Number of the first line of the record under way, from 1."""
        return self.number - len(self.record) + 1


def runaway(lines: Lines, what: str) -> UnreadableFile:
    """The error for a record that swallowed what follows it."""
    return UnreadableFile(
        f"the record that begins at line {lines.first_line} {what}: a quote that opens there is probably never "
        "closed, or the file is cut. Mend that line, or fetch or write the file again"
    )
