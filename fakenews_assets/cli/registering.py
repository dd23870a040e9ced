"""`fakenews register`: the batches of a store brought into a Dagster instance that does not know them."""

from collections.abc import Iterator, Sequence

import dagster as dg
from dagster._core.definitions.data_version import CODE_VERSION_TAG, DATA_VERSION_TAG
from rich.progress import track

from fakenews_assets.cli.errors import CommandFailed
from fakenews_assets.cli.running import GraphRunner
from fakenews_assets.data.partitions import some_of, unregistered_batches
from fakenews_resources.storage.inventory import Inventory
from fakenews_resources.storage.store import Artifact


def register(batches: Sequence[str]) -> None:
    """Register stored batches as partitions, and tell the instance which versions are stored.

    Args:
        batches: their names; empty: all that are stored.

    Raises:
        CommandFailed: one of them is not stored.
    """
    with GraphRunner() as runner:
        new = unregistered_batches(runner.store, runner.instance)
        if unknown := set(batches) - runner.store.partitions("raw_news"):
            raise CommandFailed(f"No batch of this name is stored: {', '.join(sorted(unknown))}.")
        chosen = [name for name in new if not batches or name in batches]
        runner.instance.add_dynamic_partitions("news_batches", chosen)
        runner.console.print(
            f"Registered {len(chosen):,} batches of {runner.store.address}: {some_of(chosen) or 'none is new'}.",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
        # After the batches, so that a command that is stopped here has registered them; the next one goes on.
        unseen = list(_unseen(runner.inventory))
        told = track(unseen, "Showing them", console=runner.console, disable=not runner.console.is_terminal)
        for event in told:
            runner.instance.report_runless_asset_event(event)
        runner.console.print(
            f"Dagster now shows {len(unseen):,} stored values that it did not know.", highlight=False
        )


def _unseen(inventory: Inventory) -> Iterator[dg.AssetMaterialization]:
    """A materialization for each stored value that the instance knows none of."""
    for key in inventory.repository.asset_graph.toposorted_asset_keys:
        name = key.to_user_string()
        if inventory.repository.asset_graph.get(key).partitions_def is None:
            known = inventory.instance.get_latest_materialization_event(key) is not None
            keys = {} if known else {name: None}
        else:
            new = inventory.partitions(name) - inventory.instance.get_materialized_partitions(key)
            keys = {f"{name}/{partition}": partition for partition in sorted(new)}
        for stored_key, artifact in inventory.store.current_of(keys).items():
            yield _materialization(key, keys[stored_key], artifact)


def _materialization(key: dg.AssetKey, partition: str | None, stored: Artifact) -> dg.AssetMaterialization:
    assert stored.record is not None
    code = stored.record.code_version
    return dg.AssetMaterialization(
        key,
        partition=partition,
        description="Registered from the store.",
        metadata={"version": stored.version, "made_at": stored.record.created_at.isoformat()},
        tags={DATA_VERSION_TAG: stored.version, **({CODE_VERSION_TAG: code} if code else {})},
    )
