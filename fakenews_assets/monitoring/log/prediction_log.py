"""The prediction log: every answer is written before it is sent.

    <root>/<day>/predictions-<id>.jsonl    one line per answered article; a file per process and day, in a bucket one
                                           for each time that it was sent
    <root>/<day>/feedback-<id>.jsonl       labels that came later, on the day that they came
    <root>/<day>/predictions-<id>.sha256   digests of the lines, which stay: see `sealing`
    <root>/<day>/predictions.index         which line answers which row; made from the lines, and gone with them
    <root>/<day>/predictions.parquet       the same once the day is over; the lines are then gone
    <root>/<day>/feedback.parquet

A line that the system has taken survives the death of the process. A kill or a full disk can only cut the end of a
file; that line was never answered, and readers skip it. They skip a damaged line too, say so in their own log, and it is
no part of the table. Days are those of UTC.
"""

import json
import logging
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Any, Final

import polars as pl
from filelock import FileLock, Timeout

from fakenews_assets.monitoring.log.index import LogIndex, lines_that_name
from fakenews_assets.monitoring.log.lines import parse, scan_lines, whole_lines
from fakenews_assets.monitoring.log.records import PREDICTION_LOG_SCHEMA, SCHEMAS, Kind
from fakenews_resources.request_ids import new_request_id, time_of
from fakenews_resources.storage.backend import Backend

logger = logging.getLogger(__name__)

_STILL_WRITTEN: Final = timedelta(minutes=1)
"""How long after midnight a process may still be writing what it answered before."""

_ROTATE_LOCK: Final = ".rotate.lock"
_HALF: Final = ".part"
"""Suffix of a table that is being written."""


def days_of(request_id: str) -> list[date]:
    """Days whose log may hold a request: the last rows of a large upload are answered an hour or more after it came.

    Raises:
        ValueError: not an id of this service.
    """
    came = time_of(request_id)
    try:
        return [came.date(), (came + timedelta(days=1)).date()]
    except OverflowError as error:
        raise ValueError(f"{request_id} holds a time after the last day that a date can name") from error


@contextmanager
def log_at_rest(root: Path) -> Iterator[None]:
    """Lock the log against rotation. A partial table of a killed process is removed.

    Args:
        root: of the log; where there is none, nothing is done.
    """
    if not root.is_dir():
        yield
        return
    with FileLock(root / _ROTATE_LOCK):
        for half in root.glob(f"*/*{_HALF}"):
            half.unlink()
        yield


def log_at(backend: Backend, days: Iterable[date]) -> "PredictionLog":
    """The log of a storage backend, to read these days of; those of a bucket are fetched.

    Raises:
        StoreError: the bucket cannot be reached.
    """
    for day in days:
        backend.fetch(day.isoformat())
    return PredictionLog(backend.root)


class PredictionLog:
    """Log writer and reader of one process; several may share a folder. Thread-safe."""

    def __init__(self, root: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Args: root: made when first needed. now: the clock, in UTC."""
        self.root = root
        self._now = now
        self._lock = Lock()
        self._open: dict[Kind, tuple[date, int]] = {}
        self._checked: set[date] = set()

    def append(self, kind: Kind, records: Sequence[Mapping[str, Any]]) -> None:
        """Write records with a single call to the system, in the file of today.

        Raises:
            OSError: they are not written, the disk being full, say.
        """
        data = memoryview("".join(json.dumps(record) + "\n" for record in records).encode())
        with self._lock:
            handle = self._handle(kind)
            end = os.lseek(handle, 0, os.SEEK_CUR)
            try:
                while data:
                    data = data[os.write(handle, data) :]
            except OSError:
                self._cut(kind, end)
                raise

    def close(self) -> None:
        """Close the files."""
        with self._lock:
            for kind in list(self._open):
                self._close(kind)

    def closed(self) -> list[Path]:
        """The files of lines that this process does not write to, in order of time."""
        with self._lock:
            written = {os.fstat(handle).st_ino for _, handle in self._open.values()}
            found = [file for day in self.days() for kind in SCHEMAS for file in self._segments(day, kind)]
            return [file for file in found if file.stat().st_ino not in written]

    def answer(self, request_id: str, row: int) -> Mapping[str, Any] | None:
        """The line of one row of a request, by column of `PREDICTION_LOG_SCHEMA`; None: the log has none.

        Looks only at the days that the id names. Reads the lines that `index` has not seen yet, so it is quick where
        that is called now and then.

        Raises:
            ValueError: not an id of this service.
            polars.exceptions.ComputeError: a line that names the request cannot be read.
        """
        for day in days_of(request_id):
            line, covered = self._index(day).look_up(request_id, row)
            # Without a line it is too new for the index, or a table by now.
            found = parse(line, PREDICTION_LOG_SCHEMA) if line else self._find(day, request_id, row, covered)
            if not found.is_empty():
                return found.row(0, named=True)
        return None

    def index(self, days: Iterable[date] | None = None) -> None:
        """Bring the index of the lines up to date. Costs next to nothing when there is nothing new.

        Where that is impossible for the moment, `answer` is slower until it is done.

        Args:
            days: which; by default those that somebody may be writing.
        """
        today = self._now().date()
        wanted = [today - timedelta(days=1), today] if days is None else list(days)
        if not any(self._segments(day, "predictions") for day in wanted):
            return
        try:
            # Not while the lines turn into a table: the index would outlive them.
            with FileLock(self.root / _ROTATE_LOCK, blocking=False):
                for day in wanted:
                    if files := self._segments(day, "predictions"):
                        # What another process left is looked through once.
                        self._index(day).update(files, check=day not in self._checked)
                        self._checked.add(day)
        except Timeout:
            return
        except (OSError, sqlite3.Error) as error:
            logger.warning("Could not index the prediction log; feedback scans its lines: %s", error)

    def find(self, request_id: str, row: int | None = None) -> pl.DataFrame:
        """What the log holds of one row of a request, in `PREDICTION_LOG_SCHEMA`: one line, if all is well.

        Args:
            request_id: of the request.
            row: which article; None: all of them.

        Raises:
            ValueError: not an id of this service.
            polars.exceptions.ComputeError: a line that names the request cannot be read.
        """
        return pl.concat([self._find(day, request_id, row) for day in days_of(request_id)])

    def read(self, day: date, kind: Kind) -> pl.LazyFrame:
        """Everything of one day, rotated or not, in order of time. A missing day gives an empty table."""
        table = self._table(day, kind)
        schema = SCHEMAS[kind]
        # At once: they may turn into a table meanwhile, which is looked at last.
        lines = [
            parse(part, schema).lazy() for file in self._segments(day, kind) for part in whole_lines(file)
        ]
        frames = [pl.scan_parquet(table)] if table.is_file() else []
        # A kill between rotating and removing leaves lines that the table holds as well.
        return (
            pl.concat([*frames, *lines, schema.to_frame().lazy()]).unique().sort("time", "request_id", "row")
        )

    def days(self) -> list[date]:
        """Days with anything in them, the oldest first."""
        found = []
        for folder in self.root.glob("????-??-??") if self.root.is_dir() else ():
            try:
                found.append(date.fromisoformat(folder.name))
            except ValueError:
                continue
        return sorted(found)

    def is_over(self, day: date) -> bool:
        """Whether nothing is written any more of what was answered on a day."""
        return day < (self._now() - _STILL_WRITTEN).date()

    def due(self) -> list[tuple[date, Kind]]:
        """Days that are over and still have lines, with their kind."""
        over: list[tuple[date, Kind]] = [
            (day, kind) for day in self.days() if self.is_over(day) for kind in SCHEMAS
        ]
        return [(day, kind) for day, kind in over if self._segments(day, kind)]

    def rotate(self) -> list[Path]:
        """Turn the lines of days that are over into tables, and remove them. Harmless when nothing is due.

        Returns:
            The tables written.
        """
        if not self.due():
            return []
        with log_at_rest(self.root):
            return [self._fold(day, kind, self._segments(day, kind)) for day, kind in self.due()]

    def _find(
        self, day: date, request_id: str, row: int | None, covered: Mapping[str, int] | None = None
    ) -> pl.DataFrame:
        """Rows of the lines, after the bytes of each file that are `covered`, and of the table."""
        # Only the lines that name the id are parsed: a day may have millions. Those that turn into a table meanwhile
        # are found there, since it is looked at last.
        frames = [
            parse(line + b"\n", PREDICTION_LOG_SCHEMA).lazy()
            for segment in self._segments(day, "predictions")
            for line in lines_that_name(segment, request_id, (covered or {}).get(segment.name, 0))
        ]
        table = self._table(day, "predictions")
        if table.is_file():
            frames.append(pl.scan_parquet(table))
        return _only(frames, request_id, row)

    def _fold(self, day: date, kind: Kind, segments: Sequence[Path]) -> Path:
        table = self._table(day, kind)
        aside = table.with_suffix(_HALF)
        if table.is_file():  # of a rotation that was killed; the lines are in it, perhaps
            rows = self.read(day, kind)
        else:
            rows = pl.concat([scan_lines(segment, SCHEMAS[kind]) for segment in segments])
        rows.sink_parquet(aside, compression="zstd")
        aside.replace(table)
        if kind == "predictions":
            self._index(day).remove()
        for segment in segments:
            segment.unlink()
        return table

    def _handle(self, kind: Kind) -> int:
        today = self._now().date()
        if kind in self._open and self._open[kind][0] != today:
            self._close(kind)
        if kind not in self._open:
            folder = self.root / today.isoformat()
            folder.mkdir(parents=True, exist_ok=True)
            name = folder / f"{kind}-{new_request_id()}.jsonl"  # of its own, and in order of time
            self._open[kind] = (today, os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
        return self._open[kind][1]

    def _cut(self, kind: Kind, end: int) -> None:
        """Remove what follows: its last line may be cut short, and the next ones must not follow it."""
        # Not a fresh file for each call that fails: on a full disk there would soon be millions of empty ones.
        handle = self._open[kind][1]
        try:
            os.ftruncate(handle, end)
            os.lseek(handle, end, os.SEEK_SET)
        except OSError:
            self._close(kind)

    def _close(self, kind: Kind) -> None:
        os.close(self._open.pop(kind)[1])

    def _segments(self, day: date, kind: Kind) -> list[Path]:
        return sorted((self.root / day.isoformat()).glob(f"{kind}-*.jsonl"))

    def _index(self, day: date) -> LogIndex:
        return LogIndex(self.root / day.isoformat() / "predictions.index")

    def _table(self, day: date, kind: Kind) -> Path:
        return self.root / day.isoformat() / f"{kind}.parquet"


def _only(frames: Sequence[pl.LazyFrame], request_id: str, row: int | None) -> pl.DataFrame:
    wanted = (pl.col("request_id") == request_id) & (True if row is None else pl.col("row") == row)
    return pl.concat([PREDICTION_LOG_SCHEMA.to_frame().lazy(), *frames]).filter(wanted).unique().collect()
