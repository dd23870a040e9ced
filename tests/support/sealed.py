"""A small store with everything that seals cover, and what an audit and a verification of its export find of it."""

import random
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from fakenews_assets.governance.audit.audit_log import Audit, AuditLog
from fakenews_assets.governance.audit.bounds import audit_bounds
from fakenews_assets.governance.audit.bundle_files import audit_signature
from fakenews_assets.governance.audit.champion import read_history
from fakenews_assets.governance.audit.sealed_lines import audit_lines, days_of_log
from fakenews_assets.governance.audit.seals import audit_chains, audit_records
from fakenews_assets.governance.audit.versions import read_tombstones
from fakenews_assets.governance.export.exporting import export_evidence
from fakenews_assets.governance.export.verifying import verify_export
from fakenews_assets.models.calibration import write_calibration
from fakenews_assets.models.classifier import Article
from fakenews_assets.monitoring.log.prediction_log import PredictionLog
from fakenews_assets.monitoring.log.records import log_line
from fakenews_assets.monitoring.log.sealing import rotate_sealed, seal_and_publish
from fakenews_assets.registry.bundle import Manifest, missing_parts, write_bundle
from fakenews_assets.registry.champion import ChampionRegistry
from fakenews_assets.registry.signing import sign_bundle
from fakenews_resources.request_ids import new_request_id
from fakenews_resources.storage.backend import FolderBackend
from fakenews_resources.storage.seals import head_places, published_heads
from fakenews_resources.storage.store import LOG_FOLDER, Store
from tests.support.champions import CALIBRATION

NOW = datetime.now(UTC)


def commit(store: Store, key: str, text: str) -> str:
    """A version with one file."""
    draft = store.draft()
    (draft.path / "file.txt").write_text(text)
    return store.commit(key, draft, run_id="run", config={"limit": 3}).version


def answer(log: PredictionLog, *numbers: int, time: datetime | None = None) -> None:
    """Lines of articles that are known by their number."""
    prediction = {"predicted_label": 1, "abstained": False, "out_of_distribution": False}
    log.append(
        "predictions",
        [
            log_line(
                Article(f"A title of article {number}, with an ö", ""),
                {"article_id": f"{number:032x}", "probability": random.random(), **prediction},
                time=time or datetime.now(UTC),
                request_id=new_request_id(),
                row=1,
                endpoint="/predict",
                model_id="b" * 64,
                latency_ms=12.0,
                with_text=True,
            )
            for number in numbers
        ],
    )


def make_keys(folder: Path) -> tuple[Path, Path]:
    """Files with a private key and its public key."""
    folder.mkdir(parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    private, public = folder / "private.pem", folder / "public.pem"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


class Sealed:
    """A store with values, two bundles that were promoted and signed, and a log of four lines; sealed twice."""

    def __init__(self, root: Path, *, table: bool = False) -> None:
        """Args: root: an empty folder. table: whether the lines have become a table."""
        self.root = root
        self.store = Store(root / "store")
        self.log = FolderBackend(self.store.root / LOG_FOLDER)
        self.writer = PredictionLog(self.log.root)
        self.private, self.public = make_keys(root / "keys")
        self.raw = commit(self.store, "raw_news/b1", "raw")
        self.first = commit(self.store, "clean_news/b1", "one")
        self.splits = commit(self.store, "splits", "three")
        self.promote("a")
        answer(self.writer, 0, 1)
        self.seal()
        self.second = commit(self.store, "clean_news/b1", "two")
        self.promote("b")
        answer(self.writer, 2, 3)
        self.seal()
        self.writer.close()
        if table:
            self.fold()

    def copy(self, root: Path) -> "Sealed":
        """The same at another place, to spoil it."""
        shutil.copytree(self.root, root)
        copied = object.__new__(Sealed)
        copied.__dict__ |= self.__dict__ | {"root": root, "store": Store(root / "store")}
        copied.log = FolderBackend(copied.store.root / LOG_FOLDER)
        copied.writer = PredictionLog(copied.log.root)
        copied.private, copied.public = root / "keys" / "private.pem", root / "keys" / "public.pem"
        return copied

    def promote(self, name: str) -> str:
        """A bundle, signed, that becomes the champion."""
        draft = self.store.bundles.root / f".draft-{name}"
        (draft / "model").mkdir(parents=True)
        (draft / "model" / "weights.bin").write_text(name)
        for part in missing_parts(draft):
            if "." in part and part != "manifest.json":
                (draft / part).write_text("{}")
        write_calibration(CALIBRATION, draft)
        manifest = Manifest(
            candidate=name,
            encoder=None,
            runtime="torch",
            calibration=CALIBRATION,
            data_versions={"clean_news/b1": self.first, "raw_news/b1": self.raw},
            git_commit=None,
            package_versions={},
        )
        sha = write_bundle(draft, self.store.bundles, manifest)
        sign_bundle(self.store.bundles, sha, self.private)
        registry = ChampionRegistry(self.store.bundles)
        before = registry.champion()
        expected = before.bundle if before else None
        registry.promote(sha, expected=expected, reason="it is better", run_id=None, promoted_by="test")
        return sha

    def seal(self) -> None:
        """Seal and publish."""
        seal_and_publish(self.store.backend, self.log)

    def fold(self) -> None:
        """Turn the lines into a table, as two days later."""
        rotate_sealed(PredictionLog(self.log.root, now=lambda: NOW + timedelta(days=2)))

    @property
    def lines(self) -> Path:
        """The file of lines."""
        return sorted(self.log.root.glob("*/predictions-*.jsonl"))[0]

    @property
    def table(self) -> Path:
        """The table that they become."""
        return sorted(self.log.root.glob("*/predictions.parquet"))[0]

    @property
    def log_seals(self) -> Path:
        """The chain of the log."""
        return sorted((self.log.root / "seals").glob("*.jsonl"))[0]

    @property
    def record_seals(self) -> Path:
        """The chain of the records."""
        return sorted((self.store.root / "seals").glob("*.jsonl"))[0]

    @property
    def bundles(self) -> list[str]:
        """Shas, in order of their promotion."""
        return [pointer.bundle for pointer in ChampionRegistry(self.store.bundles).history()]

    @property
    def history(self) -> Path:
        """The champion's history."""
        return self.store.root / "models" / "champion_history.jsonl"

    def record(self, key: str = "clean_news/b1", version: str | None = None) -> Path:
        """The record of a version."""
        return self.store.root / key / f"{version or self.first}.json"

    def audit(self) -> AuditLog:
        """The checks of an audit that need no model."""
        audit_log = AuditLog()
        ledger = read_tombstones(audit_log, self.store)
        heads = published_heads(head_places(self.store.backend))
        records, lines = audit_chains(audit_log, self.store.backend, self.log, heads)
        audit_records(audit_log, self.store.backend, records, ledger)
        audit_bounds(audit_log, self.store, ledger, read_history(audit_log, self.store))
        for sha in (path.name for path in self.store.bundles.root.iterdir() if len(path.name) == 64):
            audit_signature(audit_log, self.store.bundles, sha, self.public)
        for day in days_of_log(self.log, lines):
            audit_lines(audit_log, self.log, lines, ledger, day)
        return audit_log

    def faults(self) -> list[str]:
        """What the audit finds."""
        return [f"{check.what} {check.name}: {check.fault}" for check in self.audit().checks if not check.ok]

    def export(self, target: Path) -> Sequence[str]:
        """Export the evidence with all lines, and return what its verification finds."""
        days = [datetime.fromisoformat(path.name).date() for path in self.log.root.glob("????-??-??")]
        audit = Audit(
            subject="test", bundle="", audited_at=NOW, code=None, checks=(), not_checked=(), answer={}
        )
        export_evidence(self.store, self.log, audit, days, target)
        found = verify_export(target, key=self.public)
        return [f"{check.what} {check.name}: {check.fault}" for check in found.faults]
