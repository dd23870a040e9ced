"""Lines of a text, with limits that keep a damaged file from filling memory."""

from collections.abc import Iterator, Sequence
from typing import TextIO

from fakenews_assets.data.readers.table import Limits, UnreadableFile


class RunawayRecord(UnreadableFile):
    """A record swallowed what follows it."""


def too_long(limit: int) -> str:
    """The fault of a record that was passed over for its length."""
    return f"longer than {limit:,} characters"


class LongRecord(RunawayRecord):
    """A record has too many characters."""


class Lines(Iterator[str]):
    """Iterates over the lines of a text and remembers those of the record under way.

    Args:
        text: opened with `newline=""`, so that LF, CRLF and CR all end a line, which keeps its end.
        limits: of a record.

    Raises:
        RunawayRecord: at a record or a line beyond the limits.
    """

    def __init__(self, text: TextIO, limits: Limits) -> None:
        self._readline = text.readline
        self._most_chars = limits.record_chars
        self._most_lines = limits.record_lines
        self._again: list[str] = []
        self._skipped = 0
        self.record: list[str] = []
        """Lines since the last `begin_record`."""
        self.chars = 0
        """Characters of these."""
        self.number = 0
        """Lines so far."""
        self.ended = False
        """Whether the end of the stream was reached."""

    def __next__(self) -> str:
        line = self._again.pop() if self._again else self._readline(self._most_chars)
        if not line:
            self.ended = True
            raise StopIteration
        self.number += 1
        self.record.append(line)
        self.chars += len(line)
        if self.chars >= self._most_chars or len(self.record) > self._most_lines:
            self._refuse(line)
        return line

    def _refuse(self, line: str) -> None:
        if len(line) == self._most_chars and not line.endswith(("\n", "\r")):
            raise LongRecord(
                f"line {self.number:,} is longer than {len(line):,} characters: the file is not a table in text form,"
                " or has lost its line ends; write it again with a CSV or JSON Lines writer"
            )
        if len(self.record) > self._most_lines:
            raise self.runaway(f"is longer than {self._most_lines:,} lines")
        raise LongRecord(str(self.runaway(f"holds more than {self._most_chars:,} characters")))

    def begin_record(self) -> None:
        """Forget the lines of the last record."""
        self.record.clear()
        self.chars = self._skipped = 0

    def skip_record(self, quote: str = "") -> None:
        """Pass over the rest of the record under way, without keeping it.

        Args:
            quote: around fields that may hold line ends.

        Raises:
            RunawayRecord: the text ends within such a field.
        """
        part = "".join(self.record)
        is_open = False
        while True:
            is_open ^= bool(quote) and part.count(quote) % 2 == 1
            at_end = part.endswith(("\n", "\r"))
            if at_end and not is_open:
                return
            part = self._again.pop() if self._again else self._readline(self._most_chars)
            if not part:
                self.ended = True
                if is_open:
                    raise self.runaway("runs to the end of the file")
                return
            self._skipped += at_end
            self.number += at_end

    def put_back(self, lines: Sequence[str]) -> None:
        """Give the last lines of the record again, as those of later records."""
        del self.record[-len(lines) :]
        self._again += reversed(lines)
        self.number -= len(lines)
        self.ended = False

    @property
    def first_line(self) -> int:
        """Number of the first line of the record under way, from 1."""
        return self.number - len(self.record) - self._skipped + 1

    def runaway(self, what: str) -> RunawayRecord:
        """The error for a record that swallowed what follows it."""
        return RunawayRecord(
            f"the record that begins at line {self.first_line:,} {what}: a quote that opens there is probably never"
            " closed, or the file is cut. Mend that line, or fetch or write the file again"
        )
