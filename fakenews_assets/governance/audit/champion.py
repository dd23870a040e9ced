"""Audits the champion's history against the stored decisions."""

from datetime import datetime
from typing import Final

from fakenews_assets.governance.audit.audit_log import AuditLog, Promotion
from fakenews_assets.governance.audit.seals import CLOCKS
from fakenews_assets.governance.audit.versions import audit_version, tell_removal
from fakenews_assets.governance.pruning.pruning import MODELS
from fakenews_assets.registry.bundle import BundleRecord
from fakenews_assets.registry.champion import (
    HISTORY_FILE,
    POINTER_FILE,
    ChampionRegistry,
    Pointer,
    RegistryError,
    first_out_of_order,
)
from fakenews_assets.selection.decision import Decision
from fakenews_assets.selection.settings import SelectionPolicy
from fakenews_resources.storage.ledger import Ledger, Removal
from fakenews_resources.storage.store import Store

SELECTION: Final = "selected_model"


def audit_champion_history(
    audit_log: AuditLog, store: Store, ledger: Ledger, sha: str, came: datetime | None = None
) -> Promotion | None:
    """Check the champion's history, and find the decision that promoted a bundle.

    Args:
        audit_log: receives the checks.
        store: holds the bundles, their pointer and the decisions.
        ledger: the tombstones of the store: a bundle's decision is pruned with it.
        sha: the bundle.
        came: time of the audited request, if there is one.

    Returns:
        How the bundle last became champion; None if it never did, or the history is damaged.
    """
    history = read_history(audit_log, store)
    _audit_rollbacks(audit_log, history)
    own = [entry for entry in history if entry.bundle == sha]
    if came is not None:
        before = [entry for entry in own if entry.promoted_at <= came]
        fault = "" if before else "no history shows that it was the champion when the request came"
        found = f"since {before[0].promoted_at:%Y-%m-%d %H:%M:%S}" if before else "never"
        audit_log.add("champion", sha, f"before {came:%Y-%m-%d %H:%M:%S}", found, fault)
    if not own:
        audit_log.not_checked.append("The promotion of the bundle: the history does not name it.")
        return None
    promoted = next((entry for entry in reversed(own) if entry.action == "promote"), None)
    policy = _policy_behind(audit_log, store, ledger, promoted, history) if promoted else None
    last = own[-1]
    return Promotion(
        action=last.action,
        promoted_by=last.promoted_by,
        launched_by=last.launched_by,
        promoted_at=last.promoted_at,
        run_id=last.run_id,
        reason=last.reason,
        policy=policy,
        replaced_at=_replaced_at(history, sha, came) if came else None,
    )


def _replaced_at(history: list[Pointer], sha: str, came: datetime) -> datetime | None:
    """When another bundle took the place of one for the last time before a request came; None: it was champion then."""
    since = None
    for entry in history:
        if entry.promoted_at > came:
            break
        if entry.bundle == sha:
            since = None
        elif since is None:
            since = entry.promoted_at
    return since


def read_history(audit_log: AuditLog, store: Store) -> list[Pointer]:
    """Every pointer that was current, oldest first; empty if the history is damaged."""
    registry = ChampionRegistry(store.bundles)
    expected = f"the end of an unbroken {HISTORY_FILE}"
    champion = None
    try:
        champion = registry.champion()
        history = registry.history()
    except RegistryError as error:
        named = champion.bundle if champion else "unreadable"
        audit_log.add("champion", POINTER_FILE, expected, named, f"no history leads to it: {error}")
        return []
    fault = ""
    kept = store.bundles.read(HISTORY_FILE)
    if champion is None and kept and kept.data:
        fault = f"missing, while {HISTORY_FILE} has entries"
    audit_log.add("champion", POINTER_FILE, expected, champion.bundle if champion else "none", fault)
    if kept:
        moved = first_out_of_order(kept.data)
        fault = f"lines before entry {moved} were changed or removed" if moved else ""
        audit_log.agree("history", HISTORY_FILE, "every entry holds the hash of those before it", fault)
    _audit_times(audit_log, store, history)
    return history


def _audit_times(audit_log: AuditLog, store: Store, history: list[Pointer]) -> None:
    """Check that no move of the champion is older than the one before it, or than its bundle."""
    for before, entry in zip([None, *history], history, strict=False):
        name = f"{HISTORY_FILE} entry {entry.sequence}"
        made = store.bundles.read(f"{entry.bundle}.json")
        earliest = [before.promoted_at] if before else []
        with audit_log.reading("time", name):
            if made is not None:  # else its bundle was removed, which other checks look into
                earliest.append(BundleRecord.model_validate_json(made.data).created_at)
            late = [one for one in earliest if entry.promoted_at < one - CLOCKS]
            fault = "older than its bundle or than the move before it" if late else ""
            expected = f"after {max(earliest):%Y-%m-%d %H:%M:%S}" if earliest else "any"
            audit_log.add("time", name, expected, f"{entry.promoted_at:%Y-%m-%d %H:%M:%S}", fault)


def _audit_rollbacks(audit_log: AuditLog, history: list[Pointer]) -> None:
    """Check that every rollback leads to the replaced bundle and has a reason."""
    promoted: list[str] = []
    for entry in history:
        if entry.action == "promote":
            promoted.append(entry.bundle)
            continue
        promoted = promoted[:-1]
        expected = promoted[-1] if promoted else "none"
        fault = "" if entry.reason.strip() else "it gives no reason"
        if entry.bundle != expected:
            fault = f"entry {entry.sequence} does not lead back to the bundle that was replaced"
        audit_log.add("rollback", f"{HISTORY_FILE} entry {entry.sequence}", expected, entry.bundle, fault)


def _policy_behind(
    audit_log: AuditLog, store: Store, ledger: Ledger, entry: Pointer, history: list[Pointer]
) -> SelectionPolicy | None:
    """Find the selection that promoted an entry's bundle, in the run that the entry names. Returns its policy."""
    name = f"{HISTORY_FILE} entry {entry.sequence}"
    replaced = next((one.bundle for one in history if one.sequence == entry.previous), None)
    of_that_run = False
    fault = f"no {SELECTION} of that run promoted {entry.bundle}: the champion was moved by hand"
    for version in store.versions(SELECTION):
        with audit_log.reading("version", f"{SELECTION} {version}", recorded=version):
            record = store.get(SELECTION, version).record
            assert record is not None
            if entry.run_id is None or record.run_id != entry.run_id:
                continue
            of_that_run = True
            selection = audit_version(audit_log, store, SELECTION, version)
            if selection is None:
                continue
            decision = Decision.read(selection.path)
            told = (decision.promoted, decision.bundle, decision.replaced, decision.reason)
            if told == (True, entry.bundle, replaced, entry.reason) and entry.promoted_by == SELECTION:
                audit_log.add("decision", name, f"run {entry.run_id}", f"{SELECTION} {version}", "")
                return decision.choice.policy
            fault = f"{SELECTION} {version} of that run decided otherwise than the entry says"
    if not of_that_run and (removal := _removal_with_decision(ledger, entry.bundle)):
        tell_removal(audit_log, "decision", name, f"{SELECTION} of run {entry.run_id}", removal)
    else:
        audit_log.add("decision", name, f"run {entry.run_id}", "none", fault)
    return None


def _removal_with_decision(ledger: Ledger, bundle: str) -> Removal | None:
    """The tombstone of a bundle whose decision was removed too; None if nothing explains the missing decision."""
    decisions = any(
        one.key == SELECTION
        for entry in ledger.entries
        if isinstance(entry, Removal)
        for one in entry.removed
    )
    return ledger.removal_of(MODELS, bundle) if decisions else None
