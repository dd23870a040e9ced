"""What a service does for its prediction log beside answering: seals, indexes, folds or sends it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

from fakenews_assets.monitoring.log.prediction_log import PredictionLog
from fakenews_assets.monitoring.log.sealing import rotate_sealed, seal_lines
from fakenews_assets.monitoring.log.sending import LogSender
from fakenews_resources.storage.backend import FolderBackend, StoreError

logger = logging.getLogger(__name__)

_ROTATE_SECONDS: Final = 60
_SEAL_SECONDS: Final = 1800
_INDEX_SECONDS: Final = 5
"""Seconds between updates of the log's index; who looks for an answer scans the lines since."""


class LogUpkeep:
    """Looks after the log of one process."""

    def __init__(self, log: PredictionLog, sender: LogSender | None, send_seconds: float) -> None:
        """Args:
        log: of this process.
        sender: of a log in a bucket.
        send_seconds: how often it sends.
        """
        self._log = log
        self._sender = sender
        self._send_seconds = send_seconds

    def tasks(self) -> list[Coroutine[Any, Any, None]]:
        """What has to run beside the answers, for ever."""
        if self._sender:
            return [repeat(self._send, self._send_seconds)]
        # At once as well: a process before this one may have left lines without a seal or an index.
        return [
            repeat(self._rotate, _ROTATE_SECONDS),
            repeat(self._seal, _SEAL_SECONDS, first=0),
            repeat(self._index, _INDEX_SECONDS, first=0),
        ]

    async def close(self) -> None:
        """Send or seal the rest."""
        if self._sender:
            await asyncio.to_thread(self._sender.close)
        else:
            await self._seal()

    async def _rotate(self) -> None:
        try:
            await asyncio.to_thread(rotate_sealed, self._log)
        except (StoreError, OSError) as error:
            logger.error("Could not turn a past day of the prediction log into a table: %s", error)

    async def _seal(self) -> None:
        try:
            await asyncio.to_thread(seal_lines, FolderBackend(self._log.root))
        except (StoreError, OSError) as error:
            logger.error("Could not seal the prediction log yet: %s", error)

    async def _index(self) -> None:
        await asyncio.to_thread(self._log.index)

    async def _send(self) -> None:
        assert self._sender is not None
        try:
            await asyncio.to_thread(self._sender.send)
        except (StoreError, OSError) as error:
            logger.error("Could not upload the prediction log yet: %s", error)


async def repeat(
    action: Callable[[], Awaitable[None]], seconds: float, *, first: float | None = None
) -> None:
    """Call a function at intervals, forever; the first time after `first` seconds, by default after one interval."""
    await asyncio.sleep(seconds if first is None else first)
    while True:
        try:
            await action()
        except Exception:
            # One failure must not end the watch for ever; nobody waits for this task to tell them.
            logger.exception("Failed; will be tried again")
        await asyncio.sleep(seconds)
