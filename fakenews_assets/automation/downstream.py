"""Finds the stale values downstream of a training, in the order of the graph."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fakenews_assets.automation.jobs import CORPUS, FIRST_CANDIDATES, ON_DEMAND_CANDIDATES
from fakenews_assets.automation.order import GraphOrder, Value, optional_inputs
from fakenews_assets.automation.staleness import is_stale
from fakenews_assets.evaluation.partitions import CANDIDATES
from fakenews_resources.storage.artifact import Record
from fakenews_resources.storage.inventory import Inventory
from fakenews_resources.storage.store import Store


@dataclass(frozen=True)
class StaleValue:
    """A value that is outdated or missing."""

    value: Value
    config: Mapping[str, Any]
    """Configuration of the version before; empty: the defaults."""
    made_of: tuple[str, ...]
    """Key and version of each input that it would be made of now, and the asset's code version."""


def stale_values(order: GraphOrder, inventory: Inventory) -> list[StaleValue]:
    """The stale values downstream of a training whose inputs are all up to date, in order.

    A variant counts only if it was made before. An evaluation counts once its model is there, leaderboard and
    selection once there is an evaluation. The splits count as they are: batches that arrive after a training belong
    to the next one.
    """
    store = inventory.store
    # Not to be made here: what is built on an old model waits for the next training.
    trained = (*FIRST_CANDIDATES, *ON_DEMAND_CANDIDATES)
    stale = {key for key in trained if _is_stale(order, inventory, Value(key))}
    found: list[StaleValue] = []
    for value in order.downstream_of_training():
        if not _is_wanted(inventory, value):
            continue
        inputs = order.inputs_of(value, inventory, pending=stale)
        # What can do without an input does not wait for it: the leaderboard is made also where a selection failed.
        needed = inputs.difference(optional_inputs(order.assets[value.asset]))
        blocked = any(key in stale or not store.exists(key) for key in needed)
        if not blocked and not _is_stale(order, inventory, value):
            continue
        stale.add(value.key)
        if not blocked:
            record = _record(store, value)
            versions = [f"{key} {store.current(key).version}" for key in sorted(inputs) if store.exists(key)]
            made_of = (*versions, f"code {order.code_of(value.asset)}")
            found.append(StaleValue(value, record.config if record else {}, made_of))
    return found


def older_than_code(order: GraphOrder, store: Store, batches: Iterable[str]) -> list[str]:
    """The stored assets up to a training that an earlier version of their code has made, in order.

    `stale_values` holds none of them, nor what is made of them: a person decides when to make them again.

    Args:
        order: the graph.
        store: holds the values.
        batches: names of the batches of the corpus.
    """
    keys = [f"clean_news/{batch}" for batch in batches]
    stored = store.current_of([*keys, *CORPUS, *FIRST_CANDIDATES, *ON_DEMAND_CANDIDATES])
    older = {
        asset
        for key, artifact in stored.items()
        if artifact.record and artifact.record.code_version != order.code_of(asset := key.partition("/")[0])
    }
    return [name for name in order.assets if name in older]


def _is_wanted(inventory: Inventory, value: Value) -> bool:
    store = inventory.store
    if value.asset == "evaluation":
        return store.exists(CANDIDATES[value.partition or ""])
    if value.key in CANDIDATES.values():
        return store.exists(value.key)
    if value.asset == "champion":
        from fakenews_assets.registry.champion import POINTER_FILE

        return store.exists("selected_model") and store.bundles.exists(POINTER_FILE)
    return bool(inventory.partitions("evaluation"))


def _is_stale(order: GraphOrder, inventory: Inventory, value: Value) -> bool:
    record = _record(inventory.store, value)
    return record is None or is_stale(order.assets[value.asset], inventory, record)


def _record(store: Store, value: Value) -> Record | None:
    return store.current(value.key).record if store.exists(value.key) else None
