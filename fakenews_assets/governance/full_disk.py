"""What is said when there is no room to write."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import polars as pl

from fakenews_resources.storage.store import StoreError

_FULL: Final = [os.strerror(code) for code in (errno.ENOSPC, errno.EDQUOT)]


class DiskFull(StoreError):
    """There is no room to write; the message says what to do next."""


@contextmanager
def telling_of_a_full_disk() -> Iterator[None]:
    """Turn what a write to a full disk raises into DiskFull."""
    try:
        yield
    except (OSError, pl.exceptions.PolarsError) as error:  # Polars names the cause only in words
        if not any(full in str(error) for full in _FULL):
            raise
        raise DiskFull(
            f"The disk is full ({error}): free space on it, then run the same command again, which finishes what this"
            " one began."
        ) from error
