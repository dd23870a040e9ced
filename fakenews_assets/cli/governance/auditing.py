"""`fakenews audit`: a prediction or a bundle traced back to its raw data, each step recomputed."""

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
from fakenews_assets.registry.bundle import BundleMissing
from fakenews_assets.registry.bundles import find_bundle, is_sha_beginning
from fakenews_resources.storage.io_manager import Storage, storage_from_environment
from fakenews_resources.storage.store import Store


def audit(subject: str, row: int | None) -> bool:
    """Print an audit.

    Args:
        subject: a request id, a bundle's sha or its beginning; empty for the champion.
        row: which article of the request; None: the only one.

    Returns:
        Whether every check passed.

    Raises:
        CommandFailed: there is no such request or bundle, or the request has several rows and none is given.
    """
    console = Console()
    try:
        with shown_step(console, "recomputing the chain"):
            found = _audit(subject, row)
    except (UnknownRequest, NothingToAudit, BundleMissing) as error:
        raise CommandFailed(str(error)) from error
    console.print(to_terminal(found))
    return found.intact


def _audit(subject: str, row: int | None) -> Audit:
    storage = storage_from_environment()
    with storage.afresh() as store:
        return _audit_in(store, storage, subject, row)


def _audit_in(store: Store, storage: Storage, subject: str, row: int | None) -> Audit:
    if not subject:
        return audit_champion(store)
    if is_sha_beginning(subject):
        return audit_bundle(store, find_bundle(store.bundles, subject))
    return audit_request(store, storage.log_backend(store), subject, row)
