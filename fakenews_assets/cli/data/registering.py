"""`fakenews register`: the batches of a store brought into a Dagster instance that does not know them."""

from collections.abc import Sequence

import dagster as dg
from rich.progress import track

from fakenews_assets.automation.staleness import is_stale
from fakenews_assets.cli.errors import CommandFailed
from fakenews_assets.cli.running import GraphRunner
from fakenews_assets.data.partitions import some_of, unregistered_batches
from fakenews_resources.storage.inventory import Inventory
from fakenews_resources.storage.io_manager import metadata_of
from fakenews_resources.storage.reported import materialization, tags_of_inputs


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
            stored = some_of(sorted(runner.store.partitions("raw_news"))) or "none"
            raise CommandFailed(
                f"No batch of this name is stored: {', '.join(sorted(unknown))}. Stored are: {stored}."
            )
        chosen = [name for name in new if not batches or name in batches]
        runner.instance.add_dynamic_partitions("news_batches", chosen)
        runner.console.print(
            f"Registered {len(chosen):,} batches of {runner.store.address}: {some_of(chosen) or 'none is new'}.",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
        # After the batches, so that a command that is stopped here has registered them; the next one goes on.
        told = sum(
            _tell(runner, key) for key in runner.inventory.repository.asset_graph.toposorted_asset_keys
        )
        runner.console.print(
            f"Dagster now shows {told:,} stored values that it did not know.", highlight=False
        )


def _tell(runner: GraphRunner, key: dg.AssetKey) -> int:
    """Report the stored values of an asset that the instance knows none of, those of its inputs being reported.

    Returns: how many there are.
    """
    unseen = _unseen(runner.inventory, key)
    console = runner.console
    for event in track(
        unseen, key.to_user_string(), console=console, disable=not (unseen and console.is_terminal)
    ):
        runner.instance.report_runless_asset_event(event)
    return len(unseen)


def _unseen(inventory: Inventory, key: dg.AssetKey) -> list[dg.AssetMaterialization]:
    node, instance, name = inventory.repository.asset_graph.get(key), inventory.instance, key.to_user_string()
    if node.partitions_def is None:
        known = instance.get_latest_materialization_event(key) is not None
        keys = {} if known else {name: None}
    else:
        new = inventory.partitions(name) - instance.get_materialized_partitions(key)
        keys = {f"{name}/{partition}": partition for partition in sorted(new)}
    inputs = tags_of_inputs(instance, node.parent_keys) if keys else {}
    events = []
    for stored_key, stored in inventory.store.current_of(keys).items():
        assert stored.record is not None
        stale = is_stale(node.assets_def, inventory, stored.record)
        events.append(
            materialization(
                key,
                stored,
                partition=keys[stored_key],
                inputs={} if stale else inputs,
                description="Registered from the store.",
                metadata={
                    "made_at": stored.record.created_at.isoformat(),
                    **metadata_of(inventory.store, stored),
                },
            )
        )
    return events
