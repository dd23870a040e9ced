"""Seals the lines of the prediction log.

    <root>/<day>/predictions-<id>.sha256    SHA-256 of each line with its line feed
    <root>/<day>/predictions.digests        the same of all files that have become a table, each after the file's name

The chain of the log (`fakenews_resources.storage.seals`) holds the SHA-256 of the digests of a file that are new since its
last seal, after that of the last seal, all with a line feed; and how many digests there are.
"""

import json
import os
from collections.abc import Iterator, Mapping
from datetime import date
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, Final

import polars as pl

from fakenews_assets.monitoring.log.prediction_log import PredictionLog, log_at_rest
from fakenews_assets.monitoring.log.records import SCHEMAS, Kind, stamp
from fakenews_resources.storage.backend import Backend, FolderBackend
from fakenews_resources.storage.durable import replace_bytes
from fakenews_resources.storage.sealing import seal_records
from fakenews_resources.storage.seals import Heads, Seal, Sealed, Seals, publish_heads

_DIGESTS: Final = ".sha256"
_LINES: Final = ".jsonl"
_DIGEST_BYTES: Final = 32
_ENTRY: Final = 2 * _DIGEST_BYTES + 1
_AT_ONCE: Final = 1024
"""Lines that are hashed together, which bounds the memory."""
_BUFFER: Final = 1 << 18


def seal_lines(backend: Backend) -> Seal | None:
    """Seal what was written since the last time, by whichever process; None if there is nothing new.

    Safe beside processes that write. Call it before the lines of a day become a table.

    Args:
        backend: of the log; of one in a bucket, lines are sealed once they are uploaded.

    Raises:
        Conflict: somebody else has sealed the same bucket meanwhile; the next call finds the rest.
    """
    with log_at_rest(backend.root):
        return seal_at_rest(backend)


def seal_at_rest(backend: Backend) -> Seal | None:
    """As `seal_lines`, for who holds `log_at_rest`."""
    days = sorted({name.partition("/")[0] for name in backend.glob("????-??-??/*.jsonl")})
    if not days:
        return None
    seals = Seals(backend)
    chain = seals.read(since=date.fromisoformat(days[0]))
    files: dict[str, Sealed] = {}
    for day in days:
        for segment in sorted(backend.fetch(day).glob("*.jsonl")):
            name = f"{day}/{segment.name}"
            before = chain.last(name)
            sealed = _take_in(segment, before or Sealed(sha256="", lines=0, bytes=0))
            if sealed.lines and sealed != before:
                files[name] = sealed
                backend.send_again(day, segment.with_suffix(_DIGESTS).name)
    return seals.append(files)


def seal_and_publish(store: Backend, log: Backend) -> Heads:
    """Seal a store's records and its service's log, and publish both heads.

    Args:
        store: the backend of the store.
        log: of the service's log.

    Raises:
        Conflict: somebody else is sealing the same bucket.
        StoreError: a place cannot be written.
    """
    seal_lines(log)
    seal_records(store)
    return publish_heads(store, log)


def rotate_sealed(log: PredictionLog) -> list[Path]:
    """Turn the lines of days that are over into tables, once all of them are sealed."""
    if not log.due():
        return []
    seal_lines(FolderBackend(log.root))
    tables = log.rotate()
    for folder in {table.parent for table in tables}:
        merge_digests(folder)
    return tables


def row_digest(row: Mapping[str, Any]) -> str:
    """Digest of the line that a row of a table was: its values, in order of the columns, as they were written."""
    line = json.dumps({**row, "time": stamp(row["time"])})
    return sha256(f"{line}\n".encode()).hexdigest()


def table_digests(table: pl.DataFrame) -> Iterator[str]:
    """`row_digest` of each row."""
    return map(row_digest, table.iter_rows(named=True))


def file_of_digests(name: str) -> str:
    """Name of the file with the digests of a file of lines."""
    return f"{name.removesuffix(_LINES)}{_DIGESTS}"


def digests_file(kind: Kind) -> str:
    """Name of the file with the digests of lines that have become a table."""
    return f"{kind}.digests"


def digests_of_day(folder: Path, kind: Kind) -> dict[str, list[str]]:
    """The digests of one day's lines, by name of the file that holds or held them.

    Args:
        folder: of the day.
        kind: of the lines.
    """
    found: dict[str, list[str]] = {}
    held: list[str] = []
    merged = folder / digests_file(kind)
    for line in merged.read_text(encoding="ascii").splitlines() if merged.is_file() else ():
        if line.endswith(_LINES):
            held = found[line] = []
        else:
            held.append(line)
    for file in folder.glob(f"{kind}-*{_DIGESTS}"):
        found[file.with_suffix(_LINES).name] = file.read_text(encoding="ascii").split()
    return found


def merge_digests(folder: Path) -> list[str]:
    """Merge the digests of files that have become a table into one file of each kind.

    Returns:
        The names of the files that are gone; empty: nothing changed.
    """
    gone: list[str] = []
    for kind in SCHEMAS:
        alone = [
            file
            for file in sorted(folder.glob(f"{kind}-*{_DIGESTS}"))
            if not file.with_suffix(_LINES).is_file()
        ]
        merged = folder / digests_file(kind)
        whole = merged.read_bytes() if merged.is_file() else b""
        for file in alone:
            head = f"{file.with_suffix(_LINES).name}\n".encode()
            if head not in whole:  # else a killed process has merged it
                whole += head + file.read_bytes()
        if alone:
            replace_bytes(merged, whole)
        for file in alone:
            file.unlink()
            gone.append(file.name)
    return gone


def _take_in(segment: Path, before: Sealed) -> Sealed:
    """Add the digests of the whole lines that follow on those `before`."""
    file, known = segment.with_suffix(_DIGESTS), before.lines or 0
    lines, size = known, before.bytes
    held = sha256(f"{before.sha256}\n".encode() if known else b"")
    is_lost = not file.is_file() or file.stat().st_size < known * _ENTRY
    with file.open("wb" if is_lost else "r+b") as out, segment.open("rb", _BUFFER) as written:
        if is_lost:
            out.writelines(digests for _, digests in _digests_of(islice(written, known)))
        out.truncate(known * _ENTRY)  # a killed process may have written more than it sealed
        out.seek(0, os.SEEK_END)
        written.seek(size)
        for part, digests in _digests_of(written):
            out.write(digests)
            held.update(digests)
            lines, size = lines + len(part), size + sum(map(len, part))
        out.flush()
        os.fsync(out.fileno())  # before the seal that names them
    return before if lines == known else Sealed(sha256=held.hexdigest(), lines=lines, bytes=size)


def _digests_of(written: Iterator[bytes]) -> Iterator[tuple[list[bytes], bytes]]:
    """Whole lines, some at a time, with their digests as they stand in a file."""
    while part := list(islice(written, _AT_ONCE)):
        if not part[-1].endswith(b"\n"):
            part.pop()  # still being written, or cut short by a kill
        if part:
            # One expression, because a day may have millions of lines.
            digests = b"".join([sha256(line).digest() for line in part])
            yield part, f"{digests.hex(chr(10), _DIGEST_BYTES)}\n".encode()
