"""Audits the chains of seals, the heads that were published of them, and the records that they seal."""

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from fakenews_assets.governance.audit.audit_log import AuditLog, shown
from fakenews_assets.governance.pruning.pruning import MODELS
from fakenews_assets.registry.signing import signature_file
from fakenews_resources.storage.backend import Backend
from fakenews_resources.storage.keys import folder_of
from fakenews_resources.storage.ledger import Ledger, Removal
from fakenews_resources.storage.sealing import record_names
from fakenews_resources.storage.seals import Chain, Heads, Sealed, Seals

CLOCKS: Final = timedelta(minutes=5)
"""By which the clocks of two machines may differ."""
WRITING: Final = timedelta(hours=1)
"""How long a record or a line may take from the time that it bears to where seals look: its files are uploaded first."""

_VERSION: Final = re.compile(r"/[0-9a-f]{32}\.json$")
"""The record of a version, which a run writes again that comes to the same content."""


def audit_chains(
    audit_log: AuditLog, store: Backend, log: Backend | None, heads: list[tuple[str, Heads | None]]
) -> tuple[Chain, Chain]:
    """Follow the chains of the records and of the log, and look up each published head in them.

    Args:
        audit_log: receives the checks.
        store: with the records.
        log: the service's; None: it is not audited.
        heads: that were published, by address.
    """
    records = _followed(audit_log, "records", store)
    lines = _followed(audit_log, "the service's log", log) if log else Chain()
    for name, told in heads:
        if told is None:
            audit_log.add("head", name, "heads", "unreadable", "cannot be read")
            continue
        lost = [what for what, lacks in (("records", records.lacks(told.records)),) if lacks]
        lost += ["the service's log"] if log and lines.lacks(told.log) else []
        fault = f"no seal of {shown(lost)} is the one that was published: cut, replaced or made anew"
        audit_log.agree("head", name, f"{told.at:%Y-%m-%d %H:%M:%S}", fault if lost else "")
    has_log = log is not None and bool(log.children())
    for what, chain in (("the records", records), *([("the service's log", lines)] if has_log else [])):
        if not chain.seals and not chain.fault:
            audit_log.not_checked.append(f"The times of {what}: nothing seals them. `fakenews seal` does.")
    return records, lines


def audit_records(audit_log: AuditLog, store: Backend, chain: Chain, ledger: Ledger) -> None:
    """Compare records, tombstones and the champion's history with their last seal, and their times with the seals'.

    Args:
        audit_log: receives the checks.
        store: with the records.
        chain: of their seals.
        ledger: the tombstones, which explain removals.
    """
    if not chain.seals:
        return
    removals = _removals(ledger)
    there = record_names(store)
    names = sorted({*chain.of, *there})
    faults: dict[str, str] = {}
    unsealed = 0
    for name, document in zip(names, store.read_all(names), strict=True):
        sealed = chain.of.get(name)
        if document is None:
            if name not in removals:
                faults[name] = "missing, and no tombstone says why"
        elif sealed is None:
            unsealed += 1
            if _older(document.data, chain.seals[-1].at, WRITING):
                faults[name] = "older than a seal that lacks it: added later, and back-dated"
        elif not _holds(document.data, sealed[-1][1]):
            if _VERSION.search(name) and _younger(document.data, chain.seals[-1].at, timedelta()):
                unsealed += 1  # a later run came to the same content
                continue
            faults[name] = (
                f"changed since it was sealed at {chain.seals[sealed[-1][0]].at:%Y-%m-%d %H:%M} UTC"
            )
        elif not name.endswith(".jsonl"):
            at = sealed[-1][0]
            margin = CLOCKS if len(sealed) > 1 else WRITING
            if at and _older(document.data, chain.seals[at - 1].at, margin):
                added = "replaced" if len(sealed) > 1 else "added"
                faults[name] = f"{added} later than it says: a seal after its time lacks it as it is"
            elif _younger(document.data, chain.seals[at].at, CLOCKS):
                faults[name] = "younger than its seal"
    for name, fault in sorted(faults.items()):
        audit_log.add("sealed record", name, "as sealed", "different", fault)
    if not faults:
        audit_log.agree("sealed record", f"{len(chain.of)} records", "as sealed", "")
    if unsealed:
        audit_log.skip(f"When {unsealed} records were written, which are not sealed yet.", unsealed)


def _followed(audit_log: AuditLog, what: str, backend: Backend) -> Chain:
    with audit_log.reading("seals", what):
        chain = Seals(backend).read()
        if chain.seals or chain.fault:
            audit_log.agree("seals", what, f"{len(chain.seals)} seals that follow on each other", chain.fault)
        return chain
    return Chain()


def _removals(ledger: Ledger) -> Mapping[str, Removal]:
    """The tombstones of removed records, by name of the record."""
    removed = [
        (one, entry) for entry in ledger.entries if isinstance(entry, Removal) for one in entry.removed
    ]
    records = {
        f"{MODELS if one.key == MODELS else folder_of(one.key)}/{one.version}.json": entry
        for one, entry in removed
    }
    signatures = {
        f"{MODELS}/{signature_file(one.version)}": entry for one, entry in removed if one.key == MODELS
    }
    return records | signatures


def _holds(data: bytes, sealed: Sealed) -> bool:
    """Whether a record is what was sealed, or a history begins with it."""
    known = data if sealed.lines is None else data[: sealed.bytes]
    return hashlib.sha256(known).hexdigest() == sealed.sha256


def _older(data: bytes, moment: datetime, margin: timedelta) -> bool:
    written = _time_of(data)
    return written is not None and written < moment - margin


def _younger(data: bytes, moment: datetime, margin: timedelta) -> bool:
    written = _time_of(data)
    return written is not None and written > moment + margin


def _time_of(record: bytes) -> datetime | None:
    """The time that a record or a tombstone bears; None if it cannot be read, which other checks find."""
    try:
        told = json.loads(record)
        return datetime.fromisoformat(told.get("created_at") or told["at"])
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
