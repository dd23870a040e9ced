"""Which objects of a bucket the local copy holds."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from filelock import FileLock

from fakenews_resources.storage.durable import replace_text

FETCHED: Final = ".fetched"
"""Folder of a copy for these notes, and for what is being fetched."""


class Fetched:
    """The generations of the objects in each fetched folder.

    Args:
        home: for the notes.
    """

    def __init__(self, home: Path) -> None:
        self._home = home

    def known(self, folder: str) -> dict[str, int]:
        """The generations of the objects below a folder, by their name within."""
        try:
            return json.loads(self._file(folder).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}

    def note(self, folder: str, generations: Mapping[str, int]) -> None:
        """Replace what is known of a folder."""
        replace_text(self._file(folder), json.dumps(generations))

    def forget(self, folder: str) -> None:
        """Remove what is known of a folder."""
        self._file(folder).unlink(missing_ok=True)

    def locked(self, folder: str) -> FileLock:
        """Held by the process that fetches a folder."""
        return FileLock(self._file(folder).with_suffix(".lock"))

    def _file(self, folder: str) -> Path:
        self._home.mkdir(parents=True, exist_ok=True)
        return self._home / f"{hashlib.sha256(folder.encode()).hexdigest()[:32]}.json"
