"""Blanks the title and text of an article in the lines of the service's log.

It works in place and keeps the length, because a service may be appending. A kill or a full disk may have truncated a
line anywhere. If the end of a line is lost, its two records are separate pieces. Readers skip blanks.
"""

import io
import json
import os
import re
import time
from bisect import bisect_right
from collections.abc import Collection, Iterator
from hashlib import sha256
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

from fakenews_assets.governance.erasure.quoting import TEXTS, Wording
from fakenews_assets.monitoring.log.records import PREDICTION_LOG_SCHEMA

_NAMES: Final = PREDICTION_LOG_SCHEMA.names()
_START: Final = re.compile(f'(?={{"{_NAMES[0]}":)'.encode())
"""Where a record begins. Within a title or a text the quotes are escaped."""

_ID: Final = re.compile("[0-9a-f]{32}")
_NAMED: Final = re.compile(f'"article_id":\\s*"{_ID.pattern}"'.encode())
_FROM_THE_TEXTS_ON: Final = re.compile(
    "|".join(f'"{name}":' for name in _NAMES[_NAMES.index("title") :]).encode()
)
"""A piece of a record that holds one of these names may hold a title or a text too."""

_WRITING_S: Final = 0.1
"""A service writes with one call: what has had no end for longer was cut short."""


def log_segments(service_log: Path) -> list[Path]:
    """The files of the service's log that hold lines."""
    return sorted(service_log.glob("*/predictions-*.jsonl"))


def lines_about(segment: Path, article_id: str) -> Iterator[dict[str, Any] | None]:
    """The lines that name an article, None for each that cannot be read."""
    for _, piece in _pieces(segment):
        if article_id.encode() in piece:
            record, is_whole = _read(piece)
            yield record if is_whole else None


def blank_lines(segment: Path, article_ids: Collection[str]) -> int:
    """Blank an article in the lines that can be read.

    Returns:
        How many lines were changed.
    """
    return _overwrite(segment, _of_readable_lines(segment, article_ids))


def blank_unreadable_lines(segment: Path, article_ids: Collection[str], wording: Wording) -> int:
    """Blank whole unreadable lines that may hold an article, because its words cannot be removed alone.

    A line that names another article stays, unless it contains part of the title or the text. A line without words
    stays too.

    Returns:
        How many were blanked.
    """
    return _overwrite(segment, _of_unreadable_lines(segment, article_ids, wording))


def digests_of_lines_to_blank(segment: Path, article_ids: Collection[str], wording: Wording) -> list[str]:
    """SHA-256 of each whole line, with its line feed, that one of the two functions would change."""
    changes = _of_unreadable_lines(segment, article_ids, wording) | _of_readable_lines(segment, article_ids)
    if not changes:
        return []
    lines = list(io.BytesIO(segment.read_bytes()))
    ends = list(accumulate(map(len, lines)))
    return [sha256(lines[at]).hexdigest() for at in sorted({bisect_right(ends, start) for start in changes})]


def _of_readable_lines(segment: Path, article_ids: Collection[str]) -> dict[int, bytes]:
    """What is to be written where."""
    return {
        start: new
        for start, piece in _pieces(segment)
        if any(one.encode() in piece for one in article_ids)
        and (new := _blanked(piece, article_ids)) is not None
    }


def _of_unreadable_lines(segment: Path, article_ids: Collection[str], wording: Wording) -> dict[int, bytes]:
    forms = [form.encode() for form in wording.forms]
    changes: dict[int, bytes] = {}
    for start, piece in _pieces(segment):
        record, is_whole = _read(piece)
        named = record.get("article_id") if record is not None else None
        if named in article_ids or (is_whole and isinstance(named, str) and _ID.fullmatch(named)):
            continue
        is_mine = any(one.encode() in piece for one in article_ids)
        if (
            is_mine
            or any(form in piece for form in forms)
            or wording.stands_in_part_in(piece.decode("utf-8", "replace"))
            or (_FROM_THE_TEXTS_ON.search(piece) and not _NAMED.search(piece))
        ):
            changes[start] = b" " * len(piece)
    return changes


def _pieces(segment: Path) -> Iterator[tuple[int, bytes]]:
    """What stands in the lines, without their ends, and where each piece begins; the last line may have no end."""
    data = segment.read_bytes()
    while data and not data.endswith(b"\n") and time.time() - segment.stat().st_mtime < _WRITING_S:
        time.sleep(_WRITING_S / 10)
        data = segment.read_bytes()
    start = 0
    for line in data.split(b"\n"):
        for piece in _START.split(line):
            if piece.strip():
                yield start, piece
            start += len(piece)
        start += 1


def _read(piece: bytes) -> tuple[dict[str, Any] | None, bool]:
    """The record that a piece begins with, if there is one, and whether it is all of it.

    A piece with a repeated or unknown field name is no record: its middle was lost or overwritten.
    """
    text = piece.decode("utf-8", "replace")
    try:
        pairs, end = json.JSONDecoder(object_pairs_hook=tuple).raw_decode(text)
    except (ValueError, RecursionError):
        return None, False
    if not isinstance(pairs, tuple):
        return None, False
    record = dict(pairs)
    if len(record) < len(pairs) or not record.keys() <= PREDICTION_LOG_SCHEMA.keys():
        return None, False
    return record, not text[end:].strip()


def _blanked(piece: bytes, article_ids: Collection[str]) -> bytes | None:
    """The record without texts, padded with blanks; None if it has no texts, or is of another article."""
    record, is_whole = _read(piece)
    if (
        record is None
        or record.get("article_id") not in article_ids
        or (is_whole and all(record.get(name) is None for name in TEXTS))
    ):
        return None
    # Only names that it has: with others a record that somebody else wrote would grow into the next one.
    nothing = dict.fromkeys(name for name in TEXTS if name in record)
    compact = json.dumps(record | nothing, separators=(",", ":")).encode()
    return compact.ljust(len(piece)) if len(compact) <= len(piece) else b" " * len(piece)


def _overwrite(segment: Path, changes: dict[int, bytes]) -> int:
    if not changes:
        return 0
    with segment.open("r+b") as file:
        for start, new in changes.items():
            done = 0
            while done < len(new):
                done += os.pwrite(file.fileno(), new[done:], start + done)
        os.fsync(file.fileno())
    return len(changes)
