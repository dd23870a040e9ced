"""Seals the records of a store, its tombstones and the champion's history."""

import hashlib
import re
from typing import Final

from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random

from fakenews_resources.storage.backend import Backend, Conflict
from fakenews_resources.storage.seals import Seal, Sealed, Seals

_RECORD: Final = re.compile(
    r"(?!\.)(?:.+/[0-9a-f]{32}\.json|models/[0-9a-f]{64}\.(?:json|sig)|tombstones/\d+\.json|models/\w+\.jsonl)"
)
"""Names of records, bundles' records and signatures, tombstones, and of the history, which only grows."""


def record_names(backend: Backend) -> list[str]:
    """Names of everything that `seal_records` seals."""
    found = [*backend.glob("**/*.json"), *backend.glob("models/*.jsonl"), *backend.glob("models/*.sig")]
    return [name for name in found if _RECORD.fullmatch(name)]


def sealed_record(name: str, data: bytes) -> Sealed:
    """What a record, a tombstone or a history holds."""
    lines = data.count(b"\n") if name.endswith(".jsonl") else None
    return Sealed(sha256=hashlib.sha256(data).hexdigest(), lines=lines, bytes=len(data))


@retry(
    retry=retry_if_exception_type(Conflict),
    stop=stop_after_attempt(10),
    wait=wait_random(0, 0.1),
    reraise=True,
)
def seal_records(store: Backend) -> Seal | None:
    """Seal what is new or has changed since the last time; None if nothing has.

    Args:
        store: the backend of the store.
    """
    seals, names = Seals(store), record_names(store)
    chain = seals.read()
    files: dict[str, Sealed] = {}
    for name, document in zip(names, store.read_all(names), strict=True):
        if document is not None and (sealed := sealed_record(name, document.data)) != chain.last(name):
            files[name] = sealed
    return seals.append(files)
