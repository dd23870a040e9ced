"""Removes a whole batch, raw bytes included."""

from typing import Final

from fakenews_assets.common.full_disk import telling_of_a_full_disk
from fakenews_assets.registry.bundle import open_bundle
from fakenews_assets.registry.bundles import bundles_in
from fakenews_resources.storage.keys import is_usable_name
from fakenews_resources.storage.ledger import Removal, Removed
from fakenews_resources.storage.store import Store, StoreError
from fakenews_resources.storage.tombstones import Tombstones

ASSETS_OF_BATCH: Final = ("batch_predictions", "clean_news", "publisher_labels", "admission", "raw_news")


class BatchInUse(ValueError):
    """A kept bundle was trained on the batch; the message says which, and what to do."""


def trained_on(store: Store, batch: str) -> list[str]:
    """Shas of the bundles that a batch went into.

    Raises:
        BundleError: a bundle is damaged, so its lineage is unknown.
    """
    key = f"clean_news/{batch}"
    return [
        sha
        for sha in bundles_in(store.bundles)
        if (folder := store.bundle(sha)).is_dir() and key in open_bundle(folder).manifest.data_versions
    ]


@telling_of_a_full_disk()
def retire_batch(store: Store, batch: str, *, by: str, reason: str) -> Removal:
    """Remove every value of a batch. Repeat the call after a kill to finish.

    Raises:
        BatchInUse: a kept bundle was trained on it.
        BundleError, DiskFull, StoreError, TombstonesDamaged: see there.
    """
    if not is_usable_name(batch):  # a slash in it would lead into another batch
        raise StoreError(
            f"There is no batch {batch!r}: nothing can be stored under that name. If it is a partition, delete it in the UI."
        )
    if bundles := trained_on(store, batch):
        raise BatchInUse(
            f"Batch {batch!r} went into {len(bundles)} bundles that are kept: {', '.join(bundles)}. Prune those that"
            " are no longer needed (`fakenews prune`), then retire it."
        )
    keys = [f"{asset}/{batch}" for asset in ASSETS_OF_BATCH]
    tombstones = Tombstones(store)
    with tombstones.locked():
        tombstones.taken_up()
        removed = [
            Removed(key=key, version=version, bytes=stat.bytes)
            for key in keys
            for version in store.versions(key)
            if (stat := store.stat(key, version))
        ]
        tombstone = tombstones.append(
            Removal(action="retire-batch", by=by, reason=reason, batch=batch, removed=tuple(removed))
        )
        for key in keys:  # what was made of it first: a kill leaves no value without its origin
            store.remove_key(key)
    return tombstone
