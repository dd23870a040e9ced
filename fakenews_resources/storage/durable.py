"""Atomic, durable writes: after a crash of process or machine, a write is complete or has not happened."""

import os
import shutil
import time
import uuid
from pathlib import Path
from typing import Final

_STALE_SECONDS: Final = 24 * 3600


def replace_text(path: Path, text: str) -> None:
    """Replace a small file atomically: readers see the old text or the new one."""
    replace_bytes(path, text.encode())


def replace_bytes(path: Path, data: bytes) -> None:
    """As `replace_text`."""
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    aside.write_bytes(data)
    replace_file(aside, path)


def replace_file(source: Path, target: Path) -> None:
    """Replace a file by a finished one on the same file system: readers see the old file or the new one."""
    _sync(source)
    source.replace(target)
    _sync(target.parent)


def rename_folder(source: Path, target: Path) -> None:
    """Move a folder within one file system, after syncing its content to disk.

    Raises:
        OSError: the target exists and is not empty, or lies on another file system.
    """
    for path in sorted(source.rglob("*")):
        _sync(path)
    _sync(source)
    source.rename(target)
    _sync(target.parent)


def remove_leftovers(folder: Path) -> None:
    """Remove what killed processes left in a folder of unfinished work. What is a day old belongs to nobody."""
    for draft in folder.iterdir():
        try:
            age = time.time() - draft.stat().st_mtime
        except FileNotFoundError:  # its owner finished meanwhile
            continue
        if age > _STALE_SECONDS:
            shutil.rmtree(draft, ignore_errors=True)


def _sync(path: Path) -> None:
    """Wait until a file's bytes, or a folder's entries, are on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
