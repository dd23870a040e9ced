"""What exists: the partitions that are both registered in Dagster and stored."""

from collections.abc import Iterable
from dataclasses import dataclass

import dagster as dg

from fakenews_resources.storage.store import Store


def existing_partitions(store: Store, asset: str, registered: Iterable[str]) -> set[str]:
    """The partitions of an asset that count: those that are registered and have an accepted version.

    The store keeps the values of a batch whose partition was deleted, and of a candidate that the code no longer has;
    Dagster lists partitions before anything is stored. Whatever reads, counts or compares partitions asks here.

    Args:
        store: holds the values.
        asset: the asset's name.
        registered: the partitions that Dagster lists.
    """
    return store.partitions(asset).intersection(registered)


@dataclass(frozen=True)
class Inventory:
    """The store as one Dagster instance sees it."""

    store: Store
    repository: dg.RepositoryDefinition
    instance: dg.DagsterInstance

    def partitions(self, asset: str) -> set[str]:
        """`existing_partitions` of an asset; none if it has no partitions."""
        definition = self.repository.asset_graph.get(dg.AssetKey(asset)).partitions_def
        registered = (
            definition.get_partition_keys(dynamic_partitions_store=self.instance) if definition else ()
        )
        return existing_partitions(self.store, asset, registered)
