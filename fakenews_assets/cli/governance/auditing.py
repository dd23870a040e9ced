"""`fakenews audit` and `verify`: a prediction or a bundle traced back to its raw data, and evidence of it verified elsewhere."""

from pathlib import Path

from rich.console import Console

from fakenews_assets.cli.errors import CommandFailed
from fakenews_assets.cli.steps import shown_step
from fakenews_assets.governance.audit.answer import UnknownRequest
from fakenews_assets.governance.audit.audit_log import Audit
from fakenews_assets.governance.audit.chain import (
    NothingToAudit,
    audit_bundle,
    audit_champion,
    audit_request,
)
from fakenews_assets.governance.audit.report import to_terminal
from fakenews_assets.governance.export.exporting import export_evidence
from fakenews_assets.governance.export.verifying import NoExport, verify_export
from fakenews_assets.monitoring.log.prediction_log import days_of
from fakenews_assets.registry.bundle import BundleMissing
from fakenews_assets.registry.bundles import find_bundle, is_sha_beginning
from fakenews_assets.registry.signing import UnusableKey, verifying_key
from fakenews_resources.storage.address import backend_of
from fakenews_resources.storage.backend import Backend
from fakenews_resources.storage.io_manager import storage_from_environment
from fakenews_resources.storage.store import Store


def audit(subject: str, row: int | None, export: Path | None = None) -> bool:
    """Print an audit.

    Args:
        subject: a request id, a bundle's sha or its beginning; empty for the champion.
        row: which article of the request; None: the only one.
        export: an empty folder for the evidence, if it is wanted.

    Returns:
        Whether every check passed.

    Raises:
        CommandFailed: there is no such request or bundle, or the request has several rows and none is given.
    """
    console, storage = Console(), storage_from_environment()
    if export and export.exists() and any(export.iterdir()):
        raise CommandFailed(f"{export} is not empty. Give a folder that is, or a new one.")
    try:
        with shown_step(console, "recomputing the chain"), storage.afresh() as store:
            log = storage.log_backend(store)
            found = _audit_in(store, log, subject, row)
            if export:
                answered = str(found.answer["request_id"]) if found.answer else ""
                export_evidence(store, log, found, days_of(answered) if answered else [], export)
    except (UnknownRequest, NothingToAudit, BundleMissing, UnusableKey) as error:
        raise CommandFailed(str(error)) from error
    console.print(to_terminal(found))
    return found.intact


def verify(export: Path, heads: str, key: Path | None = None) -> bool:
    """Print what the verification of an export found.

    Args:
        export: its folder.
        heads: address of published heads; empty: there are none but the export's own.
        key: public key that each bundle has to be signed with.

    Returns:
        Whether every check passed.

    Raises:
        CommandFailed: the folder is no export, or the key is none.
        StoreError: the heads cannot be read.
    """
    console = Console()
    try:
        with shown_step(console, "verifying"):
            address = heads if "://" in heads else str(Path(heads).resolve())
            found = verify_export(
                export.resolve(), backend_of(address) if heads else None, key or verifying_key()
            )
    except (NoExport, UnusableKey) as error:
        raise CommandFailed(str(error)) from error
    console.print(to_terminal(found))
    return found.intact


def _audit_in(store: Store, log: Backend, subject: str, row: int | None) -> Audit:
    if not subject:
        return audit_champion(store, log)
    if is_sha_beginning(subject):
        return audit_bundle(store, find_bundle(store.bundles, subject), log)
    return audit_request(store, log, subject, row)
