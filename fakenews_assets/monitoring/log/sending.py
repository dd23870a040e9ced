"""Uploads the prediction log to a bucket.

A process writes into a folder of its own. From time to time its files are closed and sent, whole, and are then removed;
what follows goes into fresh ones. The next process that finds the folder of a killed one sends the rest.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, Final

from filelock import FileLock, Timeout

from fakenews_assets.monitoring.log.prediction_log import PredictionLog, days_of, log_at
from fakenews_resources.request_ids import new_request_id
from fakenews_resources.storage.backend import Backend

_LOCK: Final = ".lock"


class LogSender:
    """The log of one process, uploaded to a bucket."""

    def __init__(self, backend: Backend) -> None:
        """Args: backend: of the log in the bucket."""
        self._backend = backend
        own = backend.spool / new_request_id()
        own.mkdir(parents=True)
        # Freed by the system when this process dies; without it nobody sends the folder.
        self._lock = FileLock(own / _LOCK)
        self._lock.acquire()
        self._sending = Lock()
        self.log = PredictionLog(own)

    def send(self) -> int:
        """Send what was written so far. Safe for threads: the second one sends what the first one left.

        Returns:
            How many files were sent.

        Raises:
            StoreError: the bucket cannot be reached; what was not sent stays.
        """
        with self._sending:
            self.log.close()
            sent = self._send(self.log.closed())
            for folder in sorted(self._backend.spool.iterdir()):
                with _left_behind(folder) as is_so:
                    if is_so:
                        sent += self._send(PredictionLog(folder).closed())
            return sent

    def answer(self, request_id: str, row: int) -> Mapping[str, Any] | None:
        """As `PredictionLog.answer`, by any process of the service.

        Raises:
            ValueError: not an id of this service.
            StoreError: the bucket cannot be reached.
        """
        return self.log.answer(request_id, row) or self._sent(request_id).answer(request_id, row)

    def close(self) -> None:
        """Send the rest."""
        try:
            self.send()
        finally:
            self._lock.release()

    def _sent(self, request_id: str) -> PredictionLog:
        """What the bucket holds of the days of a request."""
        days = days_of(request_id)
        sent = log_at(self._backend, days)
        sent.index(days)
        return sent

    def _send(self, files: list[Path]) -> int:
        for file in files:
            name = f"{file.parent.name}/{file.name}"
            # Names are used once, so one that is there was sent before a kill. It may have been erased from since.
            if not self._backend.exists(name):
                self._backend.put(file, name)
            file.unlink()
        return len(files)


@contextmanager
def _left_behind(folder: Path) -> Iterator[bool]:
    """Whether the process that wrote there is gone. A folder that it left is removed once nothing is in it."""
    lock = FileLock(folder / _LOCK, blocking=False)
    try:
        lock.acquire()
    except Timeout:
        yield False
        return
    try:
        yield True
        for day in folder.iterdir():
            if day.is_dir() and not any(day.iterdir()):
                day.rmdir()
    finally:
        lock.release()
    if not any(path.name != _LOCK for path in folder.iterdir()):
        (folder / _LOCK).unlink(missing_ok=True)
        folder.rmdir()
