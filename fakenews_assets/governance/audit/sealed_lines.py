"""Audits the lines of the service's log against their seals: none was changed, removed, moved or added later."""

import json
import re
from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

import polars as pl

from fakenews_assets.governance.audit.audit_log import AuditLog, shown
from fakenews_assets.governance.audit.seals import CLOCKS, WRITING
from fakenews_assets.monitoring.log.records import SCHEMAS, Kind
from fakenews_assets.monitoring.log.sealing import digests_of_day, row_digest
from fakenews_resources.storage.backend import Backend
from fakenews_resources.storage.ledger import Ledger
from fakenews_resources.storage.seals import Chain, Sealed

_LINES: Final = ".jsonl"
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")
_TEXTS: Final = ("title", "text")


class _File(NamedTuple):
    """The sealed lines of one file."""

    name: str
    digests: list[str]
    sealed: Sequence[tuple[int, Sealed]]
    """Positions in the chain, with what the file held."""

    def seal_of(self, line: int) -> int:
        """Position of the first seal that holds a line, counted from 0."""
        at = bisect_right(self.sealed, line, key=lambda one: one[1].lines or 0)
        return self.sealed[at][0]


def audit_lines(audit_log: AuditLog, log: Backend, chain: Chain, ledger: Ledger, day: str) -> None:
    """Compare every line of one day with the digests that were sealed, and its time with the seal's.

    Args:
        audit_log: receives the checks.
        log: the service's.
        chain: of its seals.
        ledger: the tombstones, which tell the lines that were blanked.
        day: of the log.
    """
    folder = log.fetch(day)
    if not chain.seals or not folder.is_dir():
        return
    for kind in SCHEMAS:
        with audit_log.reading("log lines", f"{day} {kind}"):
            files = _sealed_files(log, chain, day, kind)
            names = {file.name for file in files}
            faults = [fault for file in files for fault in _digest_faults(file)]
            table = folder / f"{kind}.parquet"
            if table.is_file() and not files and day < chain.seals[0].at.date().isoformat():
                audit_log.not_checked.append(f"The {kind} of {day}: the day is older than the first seal.")
            elif not faults and (files or table.is_file()):
                faults += _table_faults(audit_log, table, files, chain, ledger, log.root)
            for file in () if faults else files:
                if (segment := log.root / file.name).is_file():
                    faults += _segment_faults(audit_log, segment, file, chain, ledger)
            for segment in sorted(folder.glob(f"{kind}-*{_LINES}")):
                if f"{day}/{segment.name}" not in names:
                    faults += _unsealed(audit_log, segment, 0, chain)
            if files or faults:
                lines = sum(len(file.digests) for file in files)
                audit_log.agree("log lines", f"{day} {kind}", f"{lines:,} sealed lines", shown(faults))


def audit_digests(audit_log: AuditLog, log: Backend, chain: Chain, day: str) -> None:
    """As `audit_lines`, where the lines are elsewhere and their digests are here."""
    for kind in SCHEMAS:
        with audit_log.reading("log lines", f"{day} {kind}"):
            files = _sealed_files(log, chain, day, kind)
            faults = [fault for file in files for fault in _digest_faults(file)]
            if files:
                lines = sum(len(file.digests) for file in files)
                audit_log.agree("log lines", f"{day} {kind}", f"{lines:,} sealed digests", shown(faults))


def has_lines(log: Backend, day: str) -> bool:
    """Whether the lines of a day are here, or a table of them."""
    return any(name.endswith((_LINES, ".parquet")) for name in log.children(day))


def days_of_log(log: Backend, chain: Chain) -> list[str]:
    """Days that have a seal, and those that are there without one."""
    sealed = {name.partition("/")[0] for name in chain.of}
    return sorted(sealed | {name for name in log.children() if _DAY.fullmatch(name)})


def _sealed_files(log: Backend, chain: Chain, day: str, kind: Kind) -> list[_File]:
    held = digests_of_day(log.fetch(day), kind)
    names = sorted(name for name in chain.of if name.startswith(f"{day}/{kind}-"))
    return [_File(name, held.get(name.partition("/")[2], []), chain.of[name]) for name in names]


def _digest_faults(file: _File) -> Iterator[str]:
    """Check that the digests beside the lines are those of every seal."""
    done, before = 0, ""
    for _, sealed in file.sealed:
        lines = sealed.lines or 0
        told = "".join(f"{one}\n" for one in [*([before] if before else []), *file.digests[done:lines]])
        if lines < done or len(file.digests) < lines or sha256(told.encode()).hexdigest() != sealed.sha256:
            yield f"the digests of {file.name} are not those that were sealed"
            return
        done, before = lines, sealed.sha256
    del file.digests[done:]  # written by a seal that was killed


def _segment_faults(
    audit_log: AuditLog, segment: Path, file: _File, chain: Chain, ledger: Ledger
) -> Iterator[str]:
    blanked = 0
    with segment.open("rb") as written:
        for at, expected in enumerate(file.digests):
            line = written.readline()
            if not line.endswith(b"\n"):
                yield f"{file.name} ends after {at:,} of {len(file.digests):,} sealed lines"
                return
            if sha256(line).hexdigest() == expected:
                yield from _out_of_time(f"{file.name} line {at + 1:,}", _time(line), chain, file.seal_of(at))
            elif expected in ledger.blanked_lines and _is_blank(line, ledger.erased):
                blanked += 1
            else:
                yield f"{file.name} line {at + 1:,} is not the line that was sealed"
        size = written.tell()
    if blanked:
        audit_log.skip(f"{blanked:,} lines of {file.name}: an article was erased from them.", blanked)
    yield from _unsealed(audit_log, segment, size, chain)


def _table_faults(
    audit_log: AuditLog,
    table: Path,
    files: Sequence[_File],
    chain: Chain,
    ledger: Ledger,
    root: Path,
) -> Iterator[str]:
    """Compare the rows of a table with the digests of the lines that it was made of, in any order."""
    folded = [file for file in files if not (root / file.name).is_file()]
    if not table.is_file():
        yield from (f"{file.name} is missing, and no table holds its lines" for file in folded)
        return
    known = {one: (file, at) for file in files for at, one in enumerate(file.digests)}
    seen, more = set[str](), list[Mapping[str, Any]]()
    for row in pl.read_parquet(table).iter_rows(named=True):
        digest = row_digest(row)
        if digest in known:
            seen.add(digest)
            file, at = known[digest]
            yield from _out_of_time(
                f"{table.parent.name} row of {file.name}", row["time"], chain, file.seal_of(at)
            )
        else:
            more.append(row)
    lost = {one for file in folded for one in file.digests} - seen
    blanked = lost & ledger.blanked_lines
    erased = [row for row in more if _is_erased(row, ledger.erased)]
    if wrong := len(lost) - len(blanked):
        yield f"{wrong:,} sealed lines are in {table.parent.name}/{table.name} no more, or not as they were"
    if added := len(more) - min(len(erased), len(blanked)):
        yield f"{added:,} rows of {table.parent.name}/{table.name} are no sealed lines"
    if blanked:
        audit_log.skip(
            f"{len(blanked):,} lines of {table.parent.name}: an article was erased from them.", len(blanked)
        )


def _unsealed(audit_log: AuditLog, segment: Path, begin: int, chain: Chain) -> Iterator[str]:
    """Look at the lines after the last seal: each is younger than it."""
    with segment.open("rb") as written:
        written.seek(begin)
        rest = [line for line in written if line.endswith(b"\n")]
    if not rest:
        return
    earliest = chain.seals[-1].at - WRITING
    old = [moment for moment in map(_time, rest) if moment and moment < earliest]
    if old:
        yield f"{segment.parent.name}/{segment.name} has {len(old):,} lines that are older than a seal that lacks them"
    audit_log.skip(
        f"When {len(rest):,} lines of {segment.parent.name}/{segment.name} were written, which are not sealed yet.",
        len(rest),
    )


def _out_of_time(name: str, written: datetime | None, chain: Chain, seal: int) -> Iterator[str]:
    if written is None:
        return
    if seal and written < chain.seals[seal - 1].at - WRITING:
        yield f"{name} came later than it says: a seal after its time lacks it"
    if written > chain.seals[seal].at + CLOCKS:
        yield f"{name} is younger than its seal"


def _record(line: bytes) -> dict[str, Any]:
    """What a line says; empty if it cannot be read."""
    try:
        record = json.loads(line)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def _time(line: bytes) -> datetime | None:
    with suppress(ValueError, TypeError):
        return datetime.fromisoformat(_record(line).get("time"))  # pyright: ignore[reportArgumentType]
    return None


def _is_blank(line: bytes, erased: Collection[str]) -> bool:
    """Whether a line has no words, or is one of an erased article and holds none of its words."""
    return not line.strip() or _is_erased(_record(line), erased)


def _is_erased(row: Mapping[str, Any], erased: Collection[str]) -> bool:
    return row.get("article_id") in erased and all(row.get(name) is None for name in _TEXTS)
