"""Exports the evidence of a store: what an auditor needs to verify it on another machine.

An export has the layout of the store, without its values: records, tombstones, the champion's history, manifests of the bundles,
seals, published heads, and the digests of the log's lines; the lines themselves of days that were asked for.
"""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from fakenews_assets.governance.audit.audit_log import Audit
from fakenews_assets.governance.audit.report import AUDIT_FILE, REPORT_FILE, to_markdown
from fakenews_assets.governance.audit.sealed_lines import days_of_log
from fakenews_assets.monitoring.log.records import SCHEMAS
from fakenews_assets.monitoring.log.sealing import digests_of_day, file_of_digests
from fakenews_assets.registry.bundle import MANIFEST_FILE
from fakenews_assets.registry.bundles import bundles_in
from fakenews_assets.registry.champion import POINTER_FILE
from fakenews_resources.storage.backend import Backend
from fakenews_resources.storage.sealing import record_names
from fakenews_resources.storage.seals import HEADS_FOLDER, SEALS_FOLDER, Seals
from fakenews_resources.storage.store import LOG_FOLDER, Store
from fakenews_resources.storage.tombstones import HEAD_FILE

CONTENTS_FILE: Final = "contents.json"
README_FILE: Final = "README.md"
_README: Final = """# Evidence of a fakenews store

`fakenews verify .` in this folder verifies it; it needs nothing but this folder and, better, heads that were published elsewhere
(`--heads`). docs/how-to/verify.md of the project tells how to verify it with sha256sum and jq alone.

`audit.md` is what the audit found beside the store itself. An export has no articles but those of log lines, and no weights.
"""


class Contents(BaseModel):
    """What an export has to hold besides what its seals name."""

    model_config = ConfigDict(frozen=True)

    days: tuple[str, ...] = Field(description="Days of the log whose lines it holds.")


def export_evidence(store: Store, log: Backend, audit: Audit, days: Sequence[date], target: Path) -> None:
    """Write an export.

    Args:
        store: the graph's values.
        log: where the service's log is.
        audit: of the store, which goes with it.
        days: whose log lines go with it.
        target: an empty folder, or none yet.
    """
    backend = store.backend
    names = [
        *record_names(backend),
        *backend.glob(f"{SEALS_FOLDER}/*.jsonl"),
        *backend.glob(f"{HEADS_FOLDER}/*.json"),
        *backend.glob("**/CURRENT"),
        f"tombstones/{HEAD_FILE}",
        f"models/{POINTER_FILE}",
    ]
    _copy(backend, names, target)
    for sha in bundles_in(store.bundles):
        _copy(store.bundles, [f"{sha}/{MANIFEST_FILE}"], target / "models")
    _copy(log, log.glob(f"{SEALS_FOLDER}/*.jsonl"), target / LOG_FOLDER)
    for day in days_of_log(log, Seals(log).read()):
        folder = log.fetch(day)
        for kind in SCHEMAS:
            for name, digests in digests_of_day(folder, kind).items():
                told = "".join(f"{one}\n" for one in digests)
                _write(target / LOG_FOLDER / day / file_of_digests(name), told.encode())
        for path in sorted(folder.iterdir()) if date.fromisoformat(day) in days else ():
            if path.suffix in (".jsonl", ".parquet"):
                _write(target / LOG_FOLDER / day / path.name, path.read_bytes())
    told = Contents(days=tuple(sorted(day.isoformat() for day in days)))
    _write(target / CONTENTS_FILE, f"{told.model_dump_json(indent=2)}\n".encode())
    _write(target / AUDIT_FILE, f"{audit.model_dump_json(indent=2)}\n".encode())
    _write(target / REPORT_FILE, to_markdown(audit).encode())
    _write(target / README_FILE, _README.encode())


def _copy(backend: Backend, names: Sequence[str], target: Path) -> None:
    for name, document in zip(names, backend.read_all(names), strict=True):
        if document is not None:
            _write(target / name, document.data)


def _write(file: Path, data: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
