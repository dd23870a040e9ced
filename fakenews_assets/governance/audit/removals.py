"""What was taken out on purpose, and whether the tombstones that say so can be relied on."""

from fakenews_assets.governance.audit.audit_log import AuditLog
from fakenews_resources.storage.store import Store
from fakenews_resources.storage.tombstones import HEAD_FILE, Ledger, Removal, Tombstones


def read_tombstones(audit_log: AuditLog, store: Store) -> Ledger:
    """Follow the chain of tombstones. What breaks it, and what an erasure left undone, are findings."""
    ledger = Tombstones(store).read()
    for name, fault in ledger.faults:
        audit_log.add("tombstone", name, "sealed by the one after it", fault.split(":")[0], fault)
    for entry in ledger.unfinished:
        fault = f"never completed: run `fakenews erase {entry.article_id}` again"
        audit_log.add("tombstone", f"{entry.sequence:06d}.json", "done", "planned", fault)
    if ledger.entries and not ledger.faults:
        audit_log.agree("tombstone", HEAD_FILE, f"{len(ledger.entries)} tombstones", "")
    return ledger


def tell_erasures(audit_log: AuditLog, ledger: Ledger, articles: set[str]) -> None:
    """Say which of some articles were erased, and which models learnt from them."""
    latest = {entry.article_id: entry for entry in ledger.done if articles & set(entry.article_ids)}
    for entry in latest.values():
        where = "all tables and the raw bytes" if ledger.is_out_of_raw(entry) else "all tables"
        learnt = f"bundles that learnt from it: {', '.join(entry.bundles) or 'none'}"
        audit_log.taken_out.append(
            f"Article {entry.article_id}: erased from {where} on {entry.at:%Y-%m-%d %H:%M} UTC by {entry.by}:"
            f" {entry.reason}; {learnt}."
        )


def tell_removal(audit_log: AuditLog, what: str, name: str, recorded: str, removal: Removal) -> None:
    """Say who removed a value, instead of hashing it."""
    told = f"removed on {removal.at:%Y-%m-%d %H:%M} UTC by {removal.by}: {removal.reason}"
    audit_log.add(what, name, recorded, told, "")
    audit_log.taken_out.append(f"{name} {recorded}: {told}.")
    audit_log.not_checked.append(f"{name}: {told}.")
