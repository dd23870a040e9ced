"""Audits what tombstones claim: a removal that the commands would have refused is a fault."""

from collections.abc import Iterator, Mapping
from typing import Final

from pydantic import ValidationError

from fakenews_assets.governance.audit.audit_log import AuditLog, shown
from fakenews_assets.governance.audit.data import RAW
from fakenews_assets.governance.audit.seals import CLOCKS
from fakenews_assets.governance.pruning.pruning import MODELS
from fakenews_assets.governance.pruning.retiring import ASSETS_OF_BATCH
from fakenews_assets.registry.bundle import MANIFEST_FILE, Manifest
from fakenews_assets.registry.bundles import bundles_in
from fakenews_assets.registry.champion import Pointer
from fakenews_resources.storage.ledger import Erasure, Ledger, Removal, Removed, Tombstone
from fakenews_resources.storage.store import LOG_FOLDER, Store

_MOST_IDS: Final = 4
"""Of one article: its own, and that of its title alone by each way of preparing texts."""


def audit_bounds(audit_log: AuditLog, store: Store, ledger: Ledger, history: list[Pointer]) -> None:
    """Check each valid tombstone against what its command does.

    Args:
        audit_log: receives the checks.
        store: the graph's values.
        ledger: the tombstones.
        history: of the champion, oldest first; empty if it is damaged, which is a fault of its own.
    """
    needed = _needed(store, ledger)
    current = store.current_versions(sorted({one.key for one in _removed(ledger) if one.key != MODELS}))
    before: Tombstone | None = None
    for entry in ledger.entries:
        name = f"{entry.sequence:06d}.json"
        faults: list[str] = []
        if before is not None and entry.at < before.at - CLOCKS:
            faults.append("it is older than the one before")
        if isinstance(entry, Removal):
            faults += _removal_faults(entry, history, needed)
            faults += [
                f"it removes the current version of {one.key}"
                for one in entry.removed
                if current.get(one.key) == one.version and one.version not in store.versions(one.key)
            ]
        elif isinstance(entry, Erasure):
            faults += _erasure_faults(entry)
        audit_log.agree("bounds", name, f"what `fakenews {entry.action}` does", shown(faults))
        before = entry


def _removal_faults(
    entry: Removal, history: list[Pointer], needed: Mapping[tuple[str, str], str]
) -> Iterator[str]:
    if entry.action == "retire-batch":
        allowed = {f"{asset}/{entry.batch}" for asset in ASSETS_OF_BATCH}
        if others := sorted({one.key for one in entry.removed} - allowed):
            yield f"it removes {shown(others)}, which are not of batch {entry.batch}"
    elif raw := sorted({one.key for one in entry.removed if one.key.startswith(RAW)}):
        yield f"it prunes the raw bytes of {shown(raw)}"
    kept = _rollback_path(history, entry)
    for one in entry.removed:
        if one.key == MODELS and one.version in kept:
            yield f"it removes bundle {one.version[:12]}, which was champion then or the one before"
        elif bundle := needed.get((one.key, one.version)):
            yield f"it removes {one.key} {one.version[:12]}, of which bundle {bundle[:12]} was made"


def _erasure_faults(entry: Erasure) -> Iterator[str]:
    if len(entry.article_ids) > _MOST_IDS or entry.article_id not in entry.article_ids:
        yield f"it erases {len(entry.article_ids)} articles as one"
    for one in entry.files:
        if one.key.startswith(RAW):
            if not entry.raw or not entry.raw_rows.get(one.key):
                yield f"it rewrites raw bytes of {one.key}, where it names no record"
        elif one.key != LOG_FOLDER and not one.file.endswith(".parquet"):
            yield f"it rewrites {one.file} of {one.key}, which is no table"


def _rollback_path(history: list[Pointer], entry: Removal) -> set[str]:
    """The champion of then, and the bundle that a rollback would have led to."""
    promoted: list[str] = []
    for pointer in history:
        if pointer.promoted_at > entry.at:
            break
        promoted = [*promoted, pointer.bundle] if pointer.action == "promote" else promoted[:-1]
    return set(promoted[-2:])


def _needed(store: Store, ledger: Ledger) -> dict[tuple[str, str], str]:
    """The bundle that each version went into, of the bundles that were not removed."""
    found: dict[tuple[str, str], str] = {}
    shas = bundles_in(store.bundles) if _removed(ledger) else []
    for sha in (one for one in shas if not ledger.removal_of(MODELS, one)):
        document = store.bundles.read(f"{sha}/{MANIFEST_FILE}")
        try:
            manifest = Manifest.model_validate_json(document.data if document else b"")
        except ValidationError:
            continue  # what it was made of, nobody can say any more; its own audit does
        found |= dict.fromkeys(manifest.data_versions.items(), sha)
    return found


def _removed(ledger: Ledger) -> list[Removed]:
    return [one for entry in ledger.entries if isinstance(entry, Removal) for one in entry.removed]
