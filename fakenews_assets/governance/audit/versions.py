"""The stored versions behind a bundle: their bytes, their records, and how these lead to one another."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from fakenews_assets.governance.audit.removals import tell_removal
from fakenews_assets.governance.audit.trail import Trail, shown
from fakenews_assets.registry.bundle import MANIFEST_FILE, Manifest, read_record
from fakenews_resources.storage.store import (
    Artefact,
    Record,
    Store,
    changed_files,
    hash_file,
    hash_files,
    version_of,
)
from fakenews_resources.storage.tombstones import Ledger, Tombstones


@dataclass
class Versions:
    """What a manifest names and the store still holds."""

    readable: dict[str, Artefact] = field(default_factory=dict)
    """By key; without those whose bytes are not to be relied on."""
    warm_start: tuple[str, ...] = ()
    """Bundles whose encoders the training went on from, the nearest first."""
    ledger: Ledger = field(default_factory=Ledger)
    """What was taken out of them on purpose."""


def audit_versions(
    trail: Trail, store: Store, ledger: Ledger, manifest: Manifest, made_at: datetime | None
) -> Versions:
    """Hash everything that a bundle was made of, through all generations, that of its warm start included.

    Args:
        trail: receives the links.
        store: where the versions lie.
        ledger: the tombstones of the store.
        manifest: of the bundle.
        made_at: when the bundle was made. A record that is younger was written by a later run that came to the
            same content; it says where that run had its inputs from, and the manifest counts.
    """
    seen: dict[tuple[str, str], Artefact | None] = {}
    readable = _audit_generation(trail, store, ledger, manifest, made_at, seen)
    encoder, origins = readable.get("finetuned_bert"), list[str]()
    while encoder is not None and (origin := _warm_start(trail, manifest, encoder)):
        origins.append(origin)
        encoder = None
        with trail.reading("warm start", origin, recorded=origin):
            file = store.bundle(origin) / MANIFEST_FILE
            trail.compare(
                "warm start",
                origin,
                origin,
                hash_file(file).sha256,
                "its manifest is not the one that named it",
            )
            manifest = Manifest.model_validate_json(file.read_bytes())
            made_at = read_record(store.bundles, origin).created_at
            generation = _audit_generation(trail, store, ledger, manifest, made_at, seen)
            encoder = generation.get("finetuned_bert")
    return Versions(readable, tuple(origins), ledger)


def audit_version(
    trail: Trail, store: Store, key: str, version: str, ledger: Ledger | None = None
) -> Artefact | None:
    """Hash one version. None: it is missing, or its bytes are neither those of its record nor of its name.

    Files from which something was erased count as they were before, if a tombstone knows them as they are.
    """
    ledger = ledger or Tombstones(store).read()
    if (removal := ledger.removal_of(key, version)) and version not in store.versions(key):
        tell_removal(trail, "version", key, version, removal)
        return None
    with trail.reading("version", key, recorded=version):
        artefact = store.get(key, version)
        assert artefact.record is not None
        files, back = ledger.undo(key, version, hash_files(artefact.path))
        found, changed = version_of(files), changed_files(artefact.record.files, files)
        fault = ""
        if not files:
            fault = f"missing: the files in {artefact.path}"
        elif back:
            fault = f"its files hold again what was erased from them: {shown(back)}"
        elif changed:
            fault = f"not the files that its record lists: {shown(changed)}"
        elif found != version:
            fault = "its files were changed and its record with them: their hash is not the version's name"
        elif (artefact.record.key, artefact.version) != (key, version):
            fault = f"its record is one of {artefact.record.key} {artefact.version}"
        trail.add("version", key, version, found if files else "missing", fault)
        return artefact if found == version or (files and not changed) else None
    return None


def _audit_generation(
    trail: Trail,
    store: Store,
    ledger: Ledger,
    manifest: Manifest,
    made_at: datetime | None,
    seen: dict[tuple[str, str], Artefact | None],
) -> dict[str, Artefact]:
    """The readable ones of the versions that one manifest names.

    Those seen before, in a younger generation, are not hashed again. What their records say is held against each
    generation's own manifest.
    """
    readable: dict[str, Artefact] = {}
    reached = {f"evaluation/{manifest.candidate}"}
    for key, version in manifest.data_versions.items():
        if (key, version) not in seen:
            seen[key, version] = audit_version(trail, store, key, version, ledger)
        artefact = seen[key, version]
        if artefact is not None:
            assert artefact.record is not None
            readable[key] = artefact
            reached |= artefact.record.upstream.keys()
            with trail.reading("record", key):
                _audit_record(trail, manifest, artefact.record, key, made_at)
    lost = sorted(manifest.data_versions.keys() - readable.keys())
    if lost:
        trail.not_checked.append(
            f"Whether records name all that {manifest.candidate} was made of: {shown(lost)} missing or damaged."
        )
    else:
        unreached = sorted(readable.keys() - reached)
        fault = f"no record names it as an input: {shown(unreached)}" if unreached else ""
        trail.agree("lineage", manifest.candidate, f"{len(readable)} values", fault)
    return readable


def _audit_record(
    trail: Trail, manifest: Manifest, record: Record, key: str, made_at: datetime | None
) -> None:
    """Hold what a record says of inputs and settings against the manifest."""
    wrong = _differences("input", manifest.data_versions, record.upstream, record.upstream.keys())
    settings = manifest.config.get(key, {})
    wrong += _differences("setting", settings, record.config, settings.keys() | record.config.keys())
    if wrong and made_at is not None and record.created_at > made_at:
        trail.not_checked.append(
            f"The record of {key} is younger than the bundle: run {record.run_id} came to the same content again,"
            f" with other inputs or settings ({shown(wrong)})."
        )
    else:
        trail.agree("record", key, f"{len(record.upstream)} inputs", shown(wrong))


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


def _warm_start(trail: Trail, manifest: Manifest, encoder: Artefact) -> str | None:
    """Bundle that a training went on from, as its record tells and its configuration, sealed by the manifest, asked."""
    with trail.reading("warm start", "finetuned_bert"):
        asked = manifest.config.get("finetuned_bert", {}).get("warm_start", "")
        told = encoder.meta.get("warm_start")
        if not asked and not told:
            return None
        origin = str(told["bundle"]) if told else "none"
        fault = ""
        if not asked or not told or asked not in ("champion", origin):
            fault = f"the settings asked for {asked or 'none'}, its record tells of {origin}"
        trail.add("warm start", "finetuned_bert", asked or "none", origin, fault)
        return origin if told else None
    return None
