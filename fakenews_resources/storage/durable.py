"""Writes that are complete on disk, or have not happened, whatever stops the process or the machine."""

import os
import uuid
from pathlib import Path


def replace_text(path: Path, text: str) -> None:
    """Replace a small file as a whole: readers see the old text or the new one."""
    replace_bytes(path, text.encode())


def replace_bytes(path: Path, data: bytes) -> None:
    """As `replace_text`."""
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    aside.write_bytes(data)
    replace_file(aside, path)


def replace_file(source: Path, target: Path) -> None:
    """Put a finished file in the place of another one on the same file system: readers see the old or the new."""
    _sync(source)
    source.replace(target)
    _sync(target.parent)


def rename_folder(source: Path, target: Path) -> None:
    """Move a folder within one file system, with all its content on disk before the new name is.

    Raises:
        OSError: the target exists and is not empty, or lies on another file system.
    """
    for path in sorted(source.rglob("*")):
        _sync(path)
    _sync(source)
    source.rename(target)
    _sync(target.parent)


def _sync(path: Path) -> None:
    """Wait until a file's bytes, or a folder's entries, are on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
