"""Audits the stored versions behind a bundle: their bytes, records, lineage, and what was removed on purpose."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from fakenews_assets.governance.audit.audit_log import AuditLog, shown
from fakenews_assets.registry.bundle import MANIFEST_FILE, Manifest
from fakenews_assets.registry.bundles import read_record
from fakenews_resources.storage.artifact import Artifact, Record
from fakenews_resources.storage.hashing import compare_files, hash_file, hash_files, version_of
from fakenews_resources.storage.ledger import Ledger, Removal
from fakenews_resources.storage.store import Store
from fakenews_resources.storage.tombstones import HEAD_FILE, Tombstones


@dataclass
class Versions:
    """The stored versions that a manifest names."""

    readable: dict[str, Artifact] = field(default_factory=dict)
    """By key, without damaged versions."""
    warm_start: tuple[str, ...] = ()
    """Bundles of the warm starts, the latest first."""
    ledger: Ledger = field(default_factory=Ledger)
    """The removals and erasures that affect them."""


def audit_versions(
    audit_log: AuditLog, store: Store, ledger: Ledger, manifest: Manifest, made_at: datetime | None
) -> Versions:
    """Hash every version in the lineage of a bundle, warm starts included.

    Args:
        audit_log: receives the checks.
        store: where the versions lie.
        ledger: the tombstones of the store.
        manifest: of the bundle.
        made_at: when the bundle was made. A later record was written by a run that produced the same content; it
            names that run's inputs, so the manifest counts instead.
    """
    seen: dict[tuple[str, str], Artifact | None] = {}
    readable = _audit_generation(audit_log, store, ledger, manifest, made_at, seen)
    encoder, origins = readable.get("finetuned_bert"), list[str]()
    while encoder is not None and (origin := _warm_start(audit_log, manifest, encoder)):
        origins.append(origin)
        encoder = None
        with audit_log.reading("warm start", origin, recorded=origin):
            file = store.bundle(origin) / MANIFEST_FILE
            audit_log.compare(
                "warm start",
                origin,
                origin,
                hash_file(file).sha256,
                "its manifest is not the one that named it",
            )
            manifest = Manifest.model_validate_json(file.read_bytes())
            made_at = read_record(store.bundles, origin).created_at
            generation = _audit_generation(audit_log, store, ledger, manifest, made_at, seen)
            encoder = generation.get("finetuned_bert")
    return Versions(readable, tuple(origins), ledger)


def audit_version(
    audit_log: AuditLog, store: Store, key: str, version: str, ledger: Ledger | None = None
) -> Artifact | None:
    """Hash one version.

    None: it is missing, or its bytes match neither its record nor its name. An erased file counts with its earlier
    hash, if a tombstone explains the current one.
    """
    ledger = ledger or Tombstones(store).read()
    if (removal := ledger.removal_of(key, version)) and version not in store.versions(key):
        tell_removal(audit_log, "version", key, version, removal)
        return None
    with audit_log.reading("version", key, recorded=version):
        artifact = store.get(key, version)
        assert artifact.record is not None
        files, back = ledger.undo(key, version, hash_files(artifact.path))
        found, changed = version_of(files), compare_files(artifact.record.files, files)
        fault = ""
        if not files:
            fault = f"missing: the files in {artifact.path}"
        elif back:
            fault = f"its files contain erased content again: {shown(back)}"
        elif changed:
            fault = f"not the files that its record lists: {shown([*changed])}"
        elif found != version:
            fault = "its files and its record were changed: the hash of the files is not the version's name"
        elif (artifact.record.key, artifact.version) != (key, version):
            fault = f"its record is one of {artifact.record.key} {artifact.version}"
        audit_log.add("version", key, version, found if files else "missing", fault)
        return artifact if found == version or (files and not changed) else None
    return None


def _audit_generation(
    audit_log: AuditLog,
    store: Store,
    ledger: Ledger,
    manifest: Manifest,
    made_at: datetime | None,
    seen: dict[tuple[str, str], Artifact | None],
) -> dict[str, Artifact]:
    """The readable versions that one manifest names.

    Each version is hashed once. Records are compared with the manifest of each generation.
    """
    readable: dict[str, Artifact] = {}
    reached = {f"evaluation/{manifest.candidate}"}
    for key, version in manifest.data_versions.items():
        if (key, version) not in seen:
            seen[key, version] = audit_version(audit_log, store, key, version, ledger)
        artifact = seen[key, version]
        if artifact is not None:
            assert artifact.record is not None
            readable[key] = artifact
            reached |= artifact.record.upstream.keys()
            with audit_log.reading("record", key):
                _audit_record(audit_log, manifest, artifact.record, key, made_at)
    lost = sorted(manifest.data_versions.keys() - readable.keys())
    if lost:
        audit_log.not_checked.append(
            f"The completeness of the lineage of {manifest.candidate}: {shown(lost)} missing or damaged."
        )
    else:
        unreached = sorted(readable.keys() - reached)
        fault = f"no record names it as an input: {shown(unreached)}" if unreached else ""
        audit_log.agree("lineage", manifest.candidate, f"{len(readable)} values", fault)
    return readable


def _audit_record(
    audit_log: AuditLog, manifest: Manifest, record: Record, key: str, made_at: datetime | None
) -> None:
    """Compare a record's inputs and settings with the manifest."""
    wrong = _differences("input", manifest.data_versions, record.upstream, record.upstream.keys())
    settings = manifest.config.get(key, {})
    wrong += _differences("setting", settings, record.config, settings.keys() | record.config.keys())
    if wrong and made_at is not None and record.created_at > made_at:
        audit_log.not_checked.append(
            f"The record of {key} is younger than the bundle: run {record.run_id} came to the same content "
            "again,"
            f" with other inputs or settings ({shown(wrong)})."
        )
    else:
        audit_log.agree("record", key, f"{len(record.upstream)} inputs", shown(wrong))


def _differences(
    kind: str,
    expected: Mapping[str, object],
    found: Mapping[str, object],
    names: Iterable[str],
) -> list[str]:
    return [
        f"{kind} {name} is {found.get(name)!r}, in the manifest {expected.get(name)!r}"
        for name in sorted(names)
        if found.get(name) != expected.get(name)
    ]


def _warm_start(audit_log: AuditLog, manifest: Manifest, encoder: Artifact) -> str | None:
    """The bundle of a training's warm start, if its record and its configuration agree."""
    with audit_log.reading("warm start", "finetuned_bert"):
        asked = manifest.config.get("finetuned_bert", {}).get("warm_start", "")
        told = encoder.meta.get("warm_start")
        if not asked and not told:
            return None
        origin = str(told["bundle"]) if told else "none"
        fault = ""
        if not asked or not told or asked not in ("champion", origin):
            fault = f"its settings name {asked or 'none'}, its record {origin}"
        audit_log.add("warm start", "finetuned_bert", asked or "none", origin, fault)
        return origin if told else None
    return None


def read_tombstones(audit_log: AuditLog, store: Store) -> Ledger:
    """Follow the chain of tombstones. Faults and unfinished erasures are findings."""
    ledger = Tombstones(store).read()
    for name, fault in ledger.faults:
        audit_log.add("tombstone", name, "hash in the next tombstone", fault.split(":")[0], fault)
    for entry in ledger.unfinished:
        fault = f"never completed: run `fakenews erase {entry.article_id}` again"
        audit_log.add("tombstone", f"{entry.sequence:06d}.json", "done", "planned", fault)
    if ledger.entries and not ledger.faults:
        audit_log.agree("tombstone", HEAD_FILE, f"{len(ledger.entries)} tombstones", "")
    return ledger


def tell_erasures(audit_log: AuditLog, ledger: Ledger, articles: set[str]) -> None:
    """Report erased articles, and the models that were trained on them."""
    latest = {entry.article_id: entry for entry in ledger.done if articles & set(entry.article_ids)}
    for entry in latest.values():
        where = "all tables and the raw bytes" if ledger.is_out_of_raw(entry) else "all tables"
        learnt = f"bundles trained on it: {', '.join(entry.bundles) or 'none'}"
        audit_log.taken_out.append(
            f"Article {entry.article_id}: erased from {where} on {entry.at:%Y-%m-%d %H:%M} UTC by {entry.by}:"
            f" {entry.reason}; {learnt}."
        )


def tell_removal(audit_log: AuditLog, what: str, name: str, recorded: str, removal: Removal) -> None:
    """Report who removed a value."""
    told = f"removed on {removal.at:%Y-%m-%d %H:%M} UTC by {removal.by}: {removal.reason}"
    audit_log.add(what, name, recorded, told, "")
    audit_log.taken_out.append(f"{name} {recorded}: {told}.")
    audit_log.skip(f"{name}: {told}.", 1)
