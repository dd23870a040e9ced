"""Resolves the full lineage of a stored value."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from fakenews_assets.registry.bundle import PREPARE_FILE
from fakenews_resources.storage.artifact import Artifact, Record
from fakenews_resources.storage.store import Store


class MixedVersions(ValueError):
    """A value depends on two versions of the same key."""


def ancestors(store: Store, value: Artifact) -> dict[str, Record]:
    """The record of every value upstream, by key, and of the value itself.

    Raises:
        MixedVersions: one key turns up with two versions; the message names it.
        ValueMissing: a version is no longer in the store.
    """
    found: dict[str, Record] = {}
    for record in _walk(store, value):
        known = found.setdefault(record.key, record)
        if known.version != record.version:
            raise MixedVersions(
                f"it was made of two versions of {record.key}, {known.version} and {record.version}; materialize it again"
            )
    return found


def preparation_of(store: Store, lineage: Mapping[str, Record]) -> Path:
    """The text preparation of the batch that was cleaned last."""
    batches = [record for key, record in lineage.items() if key.startswith("clean_news/")]
    latest = max(batches, key=lambda record: record.created_at)
    return store.get(latest.key, latest.version).path / PREPARE_FILE


def _walk(store: Store, value: Artifact) -> Iterator[Record]:
    pending = [value]
    seen: set[tuple[str, str]] = set()
    while pending:
        record = pending.pop().record
        assert record is not None
        if (record.key, record.version) not in seen:
            seen.add((record.key, record.version))
            yield record
            pending.extend(store.get(key, version) for key, version in record.upstream.items())
