"""`fakenews audit`: where an answer or a bundle comes from, computed anew."""

import re

from rich.console import Console

from fakenews_assets.cli.running import GraphFailed
from fakenews_assets.governance.audit.answer import UnknownRequest
from fakenews_assets.governance.audit.audit_log import Audit
from fakenews_assets.governance.audit.chain import (
    NothingToAudit,
    audit_bundle,
    audit_champion,
    audit_request,
    bundles_named,
)
from fakenews_assets.governance.audit.report import to_terminal
from fakenews_resources.storage.io_manager import Storage, storage_from_environment
from fakenews_resources.storage.store import Store


def audit(subject: str, row: int) -> bool:
    """Print an audit.

    Args:
        subject: a request id, a bundle's sha or its beginning; empty for the champion.
        row: which article of the request.

    Returns:
        Whether every check passed.

    Raises:
        GraphFailed: there is nothing of that name.
    """
    console = Console()
    try:
        with console.status("Computing the chain anew"):
            found = _audit(subject, row)
    except (UnknownRequest, NothingToAudit) as error:
        raise GraphFailed(str(error)) from error
    console.print(to_terminal(found))
    return found.intact


def _audit(subject: str, row: int) -> Audit:
    storage = storage_from_environment()
    with storage.afresh() as store:
        return _audit_in(store, storage, subject, row)


def _audit_in(store: Store, storage: Storage, subject: str, row: int) -> Audit:
    if not subject:
        return audit_champion(store)
    if not re.fullmatch(r"[0-9a-f]{8,64}", subject):
        return audit_request(store, storage.log_backend(store), subject, row)
    bundles = bundles_named(store, subject)
    if len(bundles) != 1:
        raise NothingToAudit(
            f"{len(bundles) or 'No'} bundles in {store.bundles.address} begin with {subject}. Give more digits, or a"
            " request id."
        )
    return audit_bundle(store, bundles[0])
