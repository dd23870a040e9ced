"""Verifies an export without the store that it came from."""

from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from fakenews_assets.governance.audit.audit_log import Audit, AuditLog, shown
from fakenews_assets.governance.audit.bounds import audit_bounds
from fakenews_assets.governance.audit.bundle_files import audit_signature
from fakenews_assets.governance.audit.champion import read_history
from fakenews_assets.governance.audit.sealed_lines import audit_digests, audit_lines, days_of_log, has_lines
from fakenews_assets.governance.audit.seals import audit_chains, audit_records
from fakenews_assets.governance.audit.versions import read_tombstones
from fakenews_assets.governance.export.exporting import CONTENTS_FILE, Contents
from fakenews_assets.governance.pruning.pruning import MODELS
from fakenews_assets.registry.bundle import MANIFEST_FILE, Manifest
from fakenews_assets.registry.bundles import bundles_in
from fakenews_assets.selection.bundling import git_commit
from fakenews_resources.storage.artifact import Record
from fakenews_resources.storage.backend import Backend, FolderBackend
from fakenews_resources.storage.hashing import hash_file, version_of
from fakenews_resources.storage.keys import folder_of
from fakenews_resources.storage.ledger import Ledger
from fakenews_resources.storage.sealing import record_names
from fakenews_resources.storage.seals import HEADS_FOLDER, Chain, published_heads
from fakenews_resources.storage.store import LOG_FOLDER, Store


class NoExport(ValueError):
    """A folder is no export; the message says what to do."""


def verify_export(folder: Path, heads: Backend | None = None, key: Path | None = None) -> Audit:
    """Verify an export. Faults are findings and raise no errors.

    Args:
        folder: of the export.
        heads: published heads that somebody else has kept; those in the export count too.
        key: public key that each bundle has to be signed with; None: signatures are not verified.

    Raises:
        NoExport: the folder is none.
    """
    store, log = Store(folder), FolderBackend(folder / LOG_FOLDER)
    if not record_names(store.backend):
        raise NoExport(f"{folder} has no records. `fakenews audit --export FOLDER` makes an export.")
    audit_log = AuditLog()
    ledger = read_tombstones(audit_log, store)
    published = published_heads([store.backend.below(HEADS_FOLDER), *([heads] if heads else [])])
    records, lines = audit_chains(audit_log, store.backend, log, published)
    if not records.seals:
        audit_log.agree("seals", "records", "a chain of seals", "missing: nothing says what belongs here")
    audit_records(audit_log, store.backend, records, ledger)
    _verify_versions(audit_log, store)
    _verify_bundles(audit_log, store, ledger, key)
    audit_bounds(audit_log, store, ledger, read_history(audit_log, store))
    with audit_log.reading("export", CONTENTS_FILE):
        told = Contents.model_validate_json((folder / CONTENTS_FILE).read_bytes())
        _verify_log(audit_log, log, lines, ledger, told.days)
    audit_log.not_checked.append(
        "The values themselves: articles, splits and weights are no part of an export. Its audit.md tells what was recomputed"
        " beside them."
    )
    return Audit(
        subject=f"export {folder}",
        bundle="",
        audited_at=datetime.now(UTC),
        code=git_commit(),
        checks=tuple(audit_log.checks),
        not_checked=tuple(audit_log.not_checked),
        values_not_checked=audit_log.values_not_checked,
        taken_out=tuple(audit_log.taken_out),
    )


def _verify_versions(audit_log: AuditLog, store: Store) -> None:
    """Check that each record names its version by the hashes of its files, and lies where it says."""
    wrong: list[str] = []
    names = [
        name for name in record_names(store.backend) if not name.startswith((f"{MODELS}/", "tombstones/"))
    ]
    for name, document in zip(names, store.backend.read_all(names), strict=True):
        try:
            record = Record.model_validate_json(document.data if document else b"")
        except ValidationError:
            wrong.append(f"{name} cannot be read")
            continue
        if f"{folder_of(record.key)}/{record.version}.json" != name:
            wrong.append(f"{name} is the record of {record.key} {record.version}")
        elif version_of(record.files) != record.version:
            wrong.append(f"{name} lists other files than its version names")
    audit_log.agree("version", f"{len(names)} records", "named by their files", shown(wrong))


def _verify_bundles(audit_log: AuditLog, store: Store, ledger: Ledger, key: Path | None) -> None:
    """Check that each manifest is the one that its bundle is named after, and that the values that it names have records."""
    for sha in bundles_in(store.bundles):
        if ledger.removal_of(MODELS, sha):
            continue
        with audit_log.reading("bundle", sha, recorded=sha):
            file = store.bundle(sha) / MANIFEST_FILE
            found = hash_file(file).sha256
            audit_log.compare("bundle", sha, sha, found, "its manifest is not the one that it is named after")
            if key:
                audit_signature(audit_log, store.bundles, sha, key)
            manifest = Manifest.model_validate_json(file.read_bytes())
            lost = [
                key
                for key, version in sorted(manifest.data_versions.items())
                if version not in store.versions(key) and not ledger.removal_of(key, version)
            ]
            audit_log.agree("lineage", sha, f"{len(manifest.data_versions)} records", _lacks(lost))


def _lacks(keys: list[str]) -> str:
    return f"no record of {shown(keys)}" if keys else ""


def _verify_log(
    audit_log: AuditLog, log: Backend, lines: Chain, ledger: Ledger, with_lines: Collection[str]
) -> None:
    """Check the digests of all days, and the lines where the export has them."""
    for day in days_of_log(log, lines):
        if day in with_lines or has_lines(log, day):
            audit_lines(audit_log, log, lines, ledger, day)
        else:
            audit_digests(audit_log, log, lines, day)
