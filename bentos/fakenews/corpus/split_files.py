"""The files of a split in the store, as they are now: an erasure replaces them."""

from pathlib import Path
from time import monotonic
from typing import Final

from fakenews_resources.storage.store import Store

_BUCKET_SECONDS: Final = 60
"""Seconds after which a change in a bucket is noticed; one in a folder is at once."""

State = tuple[tuple[Path, int, int, int], ...]
"""Each file with its inode, time and size."""


class SplitFiles:
    """The Parquet files of one split. Not thread-safe."""

    def __init__(self, store: Store, split: str) -> None:
        self._store = store
        self._split = split
        self._version = ""
        self._looked = 0.0
        self._files: list[Path] = []

    def state(self, version: str) -> State:
        """The files of a version of the splits.

        Raises:
            StoreError: the store does not hold it, or cannot be reached.
            OSError: a file cannot be read.
        """
        waits = _BUCKET_SECONDS if self._store.backend.is_bucket else 0
        if self._version != version or monotonic() - self._looked >= waits:
            folder = self._store.get("splits", version).path
            self._files = sorted(
                {*folder.glob(f"{self._split}.parquet"), *folder.glob(f"{self._split}-*.parquet")}
            )
            self._version, self._looked = version, monotonic()
        stats = [(file, file.stat()) for file in self._files]
        return tuple((file, stat.st_ino, stat.st_mtime_ns, stat.st_size) for file, stat in stats)
