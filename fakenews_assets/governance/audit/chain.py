"""Runs the whole audit of an answer or a bundle.

    answer -> bundle -> champion's history -> evaluation -> model -> splits -> clusters -> clean -> raw bytes and ratings, code

Some parts are only hashed, and the report says so: see `HASHED_ONLY`.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import polars as pl

from fakenews_assets.governance.audit.answer import Answer, audit_answer, find_answer
from fakenews_assets.governance.audit.audit_log import Audit, AuditLog, Batch, Facts, Promotion
from fakenews_assets.governance.audit.bounds import audit_bounds
from fakenews_assets.governance.audit.bundle_files import (
    audit_commit,
    audit_copies,
    audit_files,
    audit_record,
    audit_sbom,
    audit_signature,
    read_manifest,
)
from fakenews_assets.governance.audit.champion import audit_champion_history, read_history
from fakenews_assets.governance.audit.data import audit_data
from fakenews_assets.governance.audit.evaluation import audit_evaluation
from fakenews_assets.governance.audit.ratings import audit_ratings
from fakenews_assets.governance.audit.sealed_lines import audit_lines
from fakenews_assets.governance.audit.seals import audit_chains, audit_records
from fakenews_assets.governance.audit.versions import Versions, audit_versions, read_tombstones, tell_removal
from fakenews_assets.governance.pruning.pruning import MODELS
from fakenews_assets.monitoring.log.prediction_log import days_of
from fakenews_assets.registry.bundle import Bundle, Manifest
from fakenews_assets.registry.champion import POINTER_FILE, ChampionRegistry, Pointer, RegistryError
from fakenews_assets.registry.signing import verifying_key
from fakenews_assets.selection.bundling import git_commit
from fakenews_resources.storage.artifact import Artifact
from fakenews_resources.storage.backend import Backend, as_backend
from fakenews_resources.storage.ledger import Ledger
from fakenews_resources.storage.seals import head_places, published_heads
from fakenews_resources.storage.store import Store

HASHED_ONLY: Final = (
    "Training, conversion and measured speed: the audit hashes the model, and repeats its predictions for the "
    "articles that it was chosen and reported on.",
    "The fits of calibration and out-of-distribution limits, and the evaluation's intervals, slices, masked "
    "shortcuts and behavioural tests: the audit hashes their files.",
    "The choice among the candidates and the gate: the audit hashes their record and compares it with the "
    "champion's history.",
)
"""What an audit does not recompute."""


class NothingToAudit(LookupError):
    """There is no champion, or no such bundle; the message says what to do."""


def audit_champion(store: Store, log: Backend | None = None) -> Audit:
    """Audit the champion. A damaged pointer, or one that is missing in the history, is a finding.

    Args:
        store: the graph's values.
        log: where the service's log is; None: its seals are not looked at.

    Raises:
        NothingToAudit: there is none.
    """
    pointer = None
    with suppress(RegistryError):
        pointer = ChampionRegistry(store.bundles).champion()
    if pointer is not None:
        return audit_bundle(store, pointer.bundle, log)
    audit_log = AuditLog()
    read_history(audit_log, store)
    if all(check.ok for check in audit_log.checks):
        raise NothingToAudit(
            f"There is no champion in {store.bundles.address}. Make one (`make demo`, or the job "
            "select_champion), or name a bundle."
        )
    return _audit(audit_log, POINTER_FILE, "")


def audit_bundle(store: Store, sha: str, log: Backend | None = None) -> Audit:
    """Audit any bundle. Missing or damaged files are findings and raise no errors. Arguments as of `audit_champion`."""
    return _audit_chain(AuditLog(), store, log, sha, f"bundle {sha}", None)


def audit_request(store: Store, log: Backend | Path, request_id: str, row: int | None = None) -> Audit:
    """Audit one answer of the service, and the bundle that gave it.

    Args:
        store: the graph's values.
        log: where the service's log is.
        request_id: from the answer.
        row: which article of the request; None: the only one.

    Raises:
        UnknownRequest: no log holds it, or it has several articles and no row is given.
    """
    audit_log = AuditLog()
    log = as_backend(log)
    answer = find_answer(audit_log, store, log, request_id, row)
    subject = f"request {answer.name}"
    if not answer.line:
        return _audit(audit_log, subject, "")
    return _audit_chain(audit_log, store, log, str(answer.line["model_id"]), subject, answer)


def _audit_chain(
    audit_log: AuditLog, store: Store, log: Backend | None, sha: str, subject: str, answer: Answer | None
) -> Audit:
    folder = store.bundle(sha)
    ledger = read_tombstones(audit_log, store)
    _audit_seals(audit_log, store, log, ledger, days_of(str(answer.line["request_id"])) if answer else [])
    audit_bounds(audit_log, store, ledger, _history(store))
    removal = None if folder.exists() else ledger.removal_of(MODELS, sha)
    if removal is not None:
        tell_removal(audit_log, "bundle", MODELS, sha, removal)
        audit_champion_history(audit_log, store, ledger, sha, answer.came if answer else None)
        return _audit(audit_log, subject, sha, answer)
    manifest = read_manifest(audit_log, folder)
    promotion = audit_champion_history(audit_log, store, ledger, sha, answer.came if answer else None)
    if manifest is None:
        return _audit(audit_log, subject, sha, answer, promotion=promotion)
    intact = audit_files(audit_log, folder, manifest) and all(
        check.ok for check in audit_log.checks if check.what == "bundle"
    )
    bundle = Bundle(folder, sha, manifest) if intact else None
    made_at = audit_record(audit_log, store.bundles, sha)
    if key := verifying_key():
        audit_signature(audit_log, store.bundles, sha, key)
    if answer is not None:
        audit_answer(audit_log, answer, manifest, bundle, ledger)
    versions = audit_versions(audit_log, store, ledger, manifest, made_at)
    audit_copies(audit_log, folder, manifest, versions)
    audit_sbom(audit_log, folder, manifest)
    audit_evaluation(audit_log, manifest, versions, bundle)
    audit_ratings(audit_log, manifest, versions)
    audit_data(audit_log, manifest, versions)
    audit_commit(audit_log, manifest.git_commit)
    audit_log.not_checked += HASHED_ONLY
    return _audit(audit_log, subject, sha, answer, _facts(manifest, versions, made_at), promotion)


def _history(store: Store) -> list[Pointer]:
    """The champion's history; empty if it is damaged, which another check finds."""
    with suppress(RegistryError):
        return ChampionRegistry(store.bundles).history()
    return []


def _audit_seals(
    audit_log: AuditLog, store: Store, log: Backend | None, ledger: Ledger, days: list[date]
) -> None:
    """Audit the seals, and the lines of some days of the log."""
    with audit_log.reading("head", "published heads"):
        heads = published_heads(head_places(store.backend))
        records, lines = audit_chains(audit_log, store.backend, log, heads)
        audit_records(audit_log, store.backend, records, ledger)
        if log is not None:
            for day in days:
                audit_lines(audit_log, log, lines, ledger, day.isoformat())


def _audit(
    audit_log: AuditLog,
    subject: str,
    sha: str,
    answer: Answer | None = None,
    facts: Facts | None = None,
    promotion: Promotion | None = None,
) -> Audit:
    return Audit(
        subject=subject,
        bundle=sha,
        audited_at=datetime.now(UTC),
        code=git_commit(),
        checks=tuple(audit_log.checks),
        not_checked=tuple(audit_log.not_checked),
        values_not_checked=audit_log.values_not_checked,
        taken_out=tuple(audit_log.taken_out),
        admitted=tuple(audit_log.admitted),
        answer=dict(answer.line) if answer else {},
        facts=facts,
        promotion=promotion,
    )


def _facts(manifest: Manifest, versions: Versions, made_at: datetime | None) -> Facts:
    return Facts(
        candidate=manifest.candidate,
        encoder=manifest.encoder,
        runtime=manifest.runtime,
        git_commit=manifest.git_commit,
        made_at=made_at,
        runs={key: one.record.run_id for key, one in versions.readable.items() if one.record},
        config=manifest.config,
        package_versions=manifest.package_versions,
        warm_start=versions.warm_start,
        batches=tuple(
            _batch(key, one.meta)
            for key, one in sorted(versions.readable.items())
            if key.startswith("raw_news/")
        ),
        training_articles=_training_articles(versions.readable.get("splits")),
    )


def _batch(key: str, meta: Mapping[str, Any]) -> Batch:
    """What a record says of its batch. Only the bytes beside it are hashed: it may say anything."""
    received_at = None
    with suppress(ValueError):
        received_at = datetime.fromisoformat(str(meta.get("received_at")))
    source = str(meta.get("source_uri", "an unknown place"))
    return Batch(name=key.partition("/")[2], source_uri=source, received_at=received_at)


def _training_articles(splits: Artifact | None) -> int | None:
    return None if splits is None else splits.scan("train").select(pl.len()).collect().item()
