"""Errors of a full disk."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import polars as pl

from fakenews_resources.storage.store import StoreError

_FULL: Final = [os.strerror(code) for code in (errno.ENOSPC, errno.EDQUOT)] + ["database or disk is full"]
"""What the system says, and SQLite. Polars and SQLAlchemy name the cause only in words."""


class DiskFull(StoreError):
    """The disk is full; the message says what to do next."""


def is_of_a_full_disk(error: BaseException) -> bool:
    """Whether an error says that a disk, or somebody's share of it, is full."""
    return any(full in str(error) for full in _FULL)


@contextmanager
def telling_of_a_full_disk() -> Iterator[None]:
    """Turn errors of writing to a full disk into DiskFull."""
    try:
        yield
    except (OSError, pl.exceptions.PolarsError) as error:
        if not is_of_a_full_disk(error):
            raise
        raise DiskFull(
            f"The disk is full ({error}): free space on it, then run the same command again, which finishes what this"
            " one began."
        ) from error
