"""Result and errors of every news source."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit, urlunsplit

from fakenews_resources.storage.hashing import digest

Progress = Callable[[int, int | None], None]
"""Called with the bytes received so far and the total, if it is known."""
Tell = Callable[[str], None]
"""Called with a sentence that a person who waits should read."""

_TEXTS: Final = (".csv", ".tsv", ".jsonl", ".ndjson", ".json")
_OTHERS: Final = (".parquet", ".xlsx", ".xls", ".xlsb", ".ods", ".zip")
SUFFIXES: Final = (*(text + packed for packed in (".gz", ".bz2") for text in _TEXTS), *_TEXTS, *_OTHERS)
"""Of the files that can be read, the longest first."""


@dataclass(frozen=True)
class Received:
    """A complete received file under its final name.

    Attributes:
        path: where it lies.
        uri: where it came from, in full and without credentials: its provenance.
        sha256: hex digest of its bytes.
        size_bytes: its length.
    """

    path: Path
    uri: str
    sha256: str
    size_bytes: int

    @property
    def suffix(self) -> str:
        """The part of the name that tells the format, such as `.csv.gz`; empty if it is none we know.

        A hint for people and file names: the reader decides by content.
        """
        return next((suffix for suffix in SUFFIXES if self.path.name.lower().endswith(suffix)), "")


class SourceError(Exception):
    """A source did not deliver. The message says why and what to do next."""


class BadAddress(SourceError):
    """The URI names no source, or names it wrongly."""


class NotFound(SourceError):
    """The source has no such file."""


class Refused(SourceError):
    """The source refused: credentials, permissions, or an invalid request."""


class Unreachable(SourceError):
    """The source could not be reached in any attempt. Received bytes are kept, so that a retry resumes."""


class NoAnswer(Unreachable):
    """There was no answer, or no further byte, for so long that it is no passing trouble: a person has to look."""


class Changed(SourceError):
    """The file changed while it was being read."""


class ChecksumMismatch(SourceError):
    """The bytes do not match the announced checksum. They are kept for inspection and not delivered."""


def file_name(uri: str) -> str:
    """The last part of the URI's path as a safe file name; `news` if nothing is left of it."""
    name = unquote(urlsplit(uri).path).rstrip("/").rsplit("/", 1)[-1]
    return re.sub(r"[^\w.\-]+", "_", name, flags=re.ASCII).lstrip("._") or "news"


def without_credentials(url: str) -> str:
    """The URL without user name and password, fit for a manifest or a log."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def received(path: Path, uri: str) -> Received:
    """Describe a file that lies under its final name."""
    return Received(path, uri, digest(path), path.stat().st_size)
