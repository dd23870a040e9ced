"""An on-disk index from request ids and rows to the log lines of one day, by file and offset.

The index is made from the lines, behind the process that writes them: writing an answer costs nothing more. It
records how much of each file it covers, and a reader scans the rest. An index that lags, is missing or cannot be read
therefore makes a lookup slower, not wrong. Its file may be removed at any time. A lookup reads the line that it is sent
to, or the two lines between which the one in question would stand: an index that was damaged unnoticed, or whose lines
have changed, is found out by them.

The time in a request's id does not replace it: a line is as late as its answer, which for a row of a large upload is
minutes after the request came.
"""

import json
import sqlite3
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from itertools import accumulate
from pathlib import Path
from typing import Final, NamedTuple

import polars as pl
from polars.exceptions import PolarsError

from fakenews_assets.monitoring.log.lines import whole_lines

_BLOCK: Final = 1 << 20
"""Bytes of a file that are looked at together, which bounds the memory."""
_AT_ONCE: Final = 4 * _BLOCK
"""Bytes of a file that one transaction takes in, so that a reader never waits long for one."""
_READER_WAITS: Final = 0.1
"""Seconds for a transaction; a reader that would wait longer reads the lines."""

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS covered (file TEXT PRIMARY KEY, bytes INTEGER, checksum INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answers (
    request_id TEXT, row INTEGER, file TEXT NOT NULL, begin INTEGER NOT NULL, PRIMARY KEY (request_id, row)
) WITHOUT ROWID;
"""
_UP_TO: Final = """
SELECT * FROM answers WHERE (request_id, row) <= (?, ?) ORDER BY request_id DESC, row DESC LIMIT 1
"""
_AFTER: Final = "SELECT * FROM answers WHERE (request_id, row) > (?, ?) ORDER BY request_id, row LIMIT 1"
_BUSY_OR_FULL: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL)
_CORRUPT: Final = sqlite3.SQLITE_CORRUPT


class _Entry(NamedTuple):
    request_id: str
    row: int
    file: str
    """Name of the file with its line."""
    begin: int
    """Bytes before the line."""


class LogIndex:
    """The index of one day's lines. Safe for threads and processes."""

    def __init__(self, file: Path) -> None:
        """Args: file: of the index; made by `update`."""
        self._file = file

    def look_up(self, request_id: str, row: int) -> tuple[bytes | None, Mapping[str, int]]:
        """The line of a row, if the index knows it, and how many bytes of each file, by name, the index covers.

        An index that cannot be read covers nothing. A damaged one is removed as well.
        """
        if not self._file.is_file():
            return None, {}
        try:
            entries, covered = self._around(request_id, row)
            lines = [self._line_of(entry) for entry in entries]
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", _CORRUPT) == _CORRUPT:
                with suppress(OSError):
                    self.remove()
            return None, {}
        is_found = entries[:1] and entries[0][:2] == (request_id, row)
        return (lines[0] if is_found else None), covered

    def update(self, files: Sequence[Path], *, check: bool = False) -> None:
        """Take in the whole lines that were written since the last time.

        Args:
            files: all files of the day's lines.
            check: whether to look for damage first, such as the zeros of a power failure, which would hide answers. A
                damaged index is made anew.

        Raises:
            sqlite3.Error: another process is at it, or the disk is full.
            OSError: the index cannot be replaced.
        """
        try:
            self._update(files, check=check)
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", None) in _BUSY_OR_FULL:
                raise
            self.remove()
            self._update(files)

    def remove(self) -> None:
        """Remove the index. Harmless when there is none."""
        # In this order: a journal without its index is ignored, and an index without its journal may be half written.
        for file in (self._file, self._file.with_name(f"{self._file.name}-journal")):
            file.unlink(missing_ok=True)

    def _around(self, request_id: str, row: int) -> tuple[list[_Entry], Mapping[str, int]]:
        """The entry of a row; without one, those before and after it. And the bytes of each file that are covered."""
        address = f"{self._file.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=_READER_WAITS)) as index:
            index.text_factory = lambda text: text.decode(errors="replace")
            index.execute("BEGIN")  # all answers are of one state
            asked = (request_id, row)
            entries = [_Entry(*found) for found in index.execute(_UP_TO, asked)]
            if not entries or entries[0][:2] != asked:
                entries += [_Entry(*found) for found in index.execute(_AFTER, asked)]
            return entries, _covered(index)

    def _line_of(self, entry: _Entry) -> bytes:
        """The line that an entry names. Raises DatabaseError if another one stands there."""
        with suppress(OSError, ValueError, TypeError):
            with self._file.with_name(entry.file).open("rb") as lines:
                lines.seek(entry.begin)
                line = lines.readline()
            if _answer(line) == [entry[:2]]:
                return line
        raise sqlite3.DatabaseError(f"the index of {self._file.parent} names a wrong line")

    def _update(self, files: Sequence[Path], *, check: bool = False) -> None:
        with closing(sqlite3.connect(self._file, isolation_level=None)) as index:
            if check and index.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                raise sqlite3.DatabaseError("the index is damaged")
            index.executescript(_TABLES)
            sizes = {file.name: file.stat().st_size for file in files}
            covered = _covered(index)
            if any(sizes.get(name, 0) < size for name, size in covered.items()):
                # These are not the files that it was made from.
                index.executescript("BEGIN IMMEDIATE; DELETE FROM answers; DELETE FROM covered; COMMIT;")
            for file in files:
                while _take_in(index, file):
                    pass


def _covered(index: sqlite3.Connection) -> dict[str, int]:
    """The bytes of each file that an index covers. Raises DatabaseError where one of its entries is damaged."""
    covered: dict[str, int] = {}
    for file, size, checksum in index.execute("SELECT file, bytes, checksum FROM covered"):
        if checksum != _checksum(file, size):
            raise sqlite3.DatabaseError("the index is damaged")
        covered[file] = size
    return covered


def _checksum(file: str, size: int) -> int:
    return zlib.crc32(f"{file} {size}".encode())


def lines_that_name(file: Path, request_id: str, begin: int = 0) -> Iterator[bytes]:
    """Whole lines of a file, from a position on, that hold a request's id. None where there is no such file."""
    wanted = request_id.encode()
    with suppress(FileNotFoundError):
        for lines in whole_lines(file, begin, _BLOCK):
            if wanted in lines:
                yield from (line for line in lines.splitlines() if wanted in line)


def _take_in(index: sqlite3.Connection, file: Path) -> bool:
    """Take in the next lines of a file in one transaction. Returns whether there were any."""
    with index:
        index.execute("BEGIN IMMEDIATE")
        found = index.execute("SELECT bytes FROM covered WHERE file = ?", (file.name,)).fetchone()
        begin = found[0] if found else 0
        whole = next(whole_lines(file, begin, _AT_ONCE), b"")
        if whole:
            answers = ((*answer, file.name, begin + at) for *answer, at in _answers(whole))
            index.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?)", answers)
            size = begin + len(whole)
            covers = (file.name, size, _checksum(file.name, size))
            index.execute("INSERT OR REPLACE INTO covered VALUES (?, ?, ?)", covers)
        return bool(whole)


def _answers(lines: bytes) -> list[tuple[str, int, int]]:
    """Request id and row of every line that has them, and the bytes before it."""
    each = lines.split(b"\n")[:-1]
    begins = list(accumulate((len(line) + 1 for line in each[:-1]), initial=0))
    with suppress(PolarsError):
        found = pl.read_ndjson(lines, schema={"request_id": pl.String, "row": pl.Int64})
        if found.height == len(each):
            return found.with_columns(begin=pl.Series(begins)).drop_nulls().rows()
    # One of them is damaged or blank, and must not hide the others.
    return [(*answer, begin) for line, begin in zip(each, begins, strict=True) for answer in _answer(line)]


def _answer(line: bytes) -> list[tuple[str, int]]:
    with suppress(ValueError, KeyError, TypeError):
        record = json.loads(line)
        return [(str(record["request_id"]), int(record["row"]))]
    return []
