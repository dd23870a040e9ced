"""Finds stale values: those that are older than their code, configuration or inputs.

Dagster shows the same in its UI as "unsynced". This module asks the store instead, which records the version of every
input that was read and needs no daemon.
"""

from collections.abc import Container, Mapping
from typing import Any

import dagster as dg

from fakenews_assets.automation.order import assets_of, optional_inputs, whole_inputs
from fakenews_resources.storage.artifact import Record
from fakenews_resources.storage.inventory import Inventory
from fakenews_resources.storage.io_manager import key_of
from fakenews_resources.storage.store import Store, ValueMissing


def stale_assets(
    job: dg.JobDefinition,
    inventory: Inventory,
    partition: str | None,
    config: Mapping[str, Mapping[str, Any]],
    outdated: Container[str] = (),
) -> list[dg.AssetsDefinition]:
    """The stale assets of a job, in order.

    An asset is stale when nothing is stored, when its code version or its configuration differs from what
    is recorded, when an input has another version or more partitions by now, or when an asset upstream of it is
    stale.

    Args:
        job: the job.
        inventory: what exists.
        partition: partition of the partitioned assets.
        config: configuration by name of asset, as far as it differs from the defaults.
        outdated: names of assets that the caller knows to be stale for a reason outside the graph.
    """
    configs = _with_defaults(job, config)
    stale: list[dg.AssetsDefinition] = []
    remade: set[dg.AssetKey] = set()
    for asset in assets_of(job):
        name = asset.key.to_user_string()
        key = key_of(asset.key, partition if asset.partitions_def else None)
        upstream_is_stale = not remade.isdisjoint(asset.asset_deps[asset.key])
        if name in outdated or upstream_is_stale or _differs(asset, inventory, key, configs[name]):
            stale.append(asset)
            remade.add(asset.key)
    return stale


def is_stale(asset: dg.AssetsDefinition, inventory: Inventory, record: Record) -> bool:
    """Whether code or inputs have changed since a value was stored, its configuration aside; or it is a decision
    whose promotion was never carried out, or names an earlier champion."""
    store = inventory.store
    return (
        record.code_version != asset.code_versions_by_key[asset.key]
        or store.current_versions(record.upstream) != record.upstream
        or _misses_partitions(asset, inventory, record.upstream)
        or _misses_optional(asset, store, record)
        or _misses_promotion(store, record)
        or _is_an_earlier_champion(store, record)
    )


def _differs(asset: dg.AssetsDefinition, inventory: Inventory, key: str, config: Mapping[str, Any]) -> bool:
    try:
        record = inventory.store.current(key).record
    except ValueMissing:
        return True
    assert record is not None
    return record.config != config or is_stale(asset, inventory, record)


def _misses_partitions(asset: dg.AssetsDefinition, inventory: Inventory, upstream: Mapping[str, str]) -> bool:
    """Whether an input that is read with every partition has more of them by now, or fewer.

    An asset that picks the partition it needs, as the selection does with its winner, misses none of the others.
    """
    return any(
        {f"{name}/{partition}" for partition in inventory.partitions(name)}
        != {key for key in upstream if key.startswith(f"{name}/")}
        for name in whole_inputs(asset)
    )


def _misses_optional(asset: dg.AssetsDefinition, store: Store, record: Record) -> bool:
    """Whether an input that the value was made without is stored by now."""
    _, slash, partition = record.key.partition("/")
    keys = [f"{name}{slash}{partition}" for name in optional_inputs(asset)]
    return any(key not in record.upstream and store.exists(key) for key in keys)


def _misses_promotion(store: Store, record: Record) -> bool:
    """Whether a selection was stopped between its decision and the champion's move."""
    bundle = record.meta.get("promotes")
    if bundle is None:
        return False
    from fakenews_assets.registry.champion import ChampionRegistry, RegistryError

    try:
        history = ChampionRegistry(store.bundles).history()
    except RegistryError:  # another selection would not mend that
        return False
    return not any((entry.bundle, entry.run_id) == (bundle, record.run_id) for entry in history)


def _is_an_earlier_champion(store: Store, record: Record) -> bool:
    """Whether the stored `champion` is not the registry's, which a person may move too."""
    if record.key != "champion":
        return False
    from fakenews_assets.registry.champion import ChampionRegistry, RegistryError

    try:
        pointer = ChampionRegistry(store.bundles).champion()
    except RegistryError:  # the asset would fail on that
        return False
    return pointer is not None and pointer.sequence != record.meta["sequence"]


def _with_defaults(
    job: dg.JobDefinition, config: Mapping[str, Mapping[str, Any]]
) -> dict[str, Mapping[str, Any]]:
    """The configuration of each asset that a run of the job records when it is given `config`."""
    names = [asset.key.to_user_string() for asset in assets_of(job)]
    given = {name: {"config": dict(config[name])} for name in names if name in config}
    resolved = dg.validate_run_config(job, {"ops": given})["ops"]
    return {name: resolved[name]["config"] or {} for name in names}
