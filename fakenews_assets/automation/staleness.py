"""Which stored values no longer follow from what they were made of.

Dagster shows the same in its UI as "unsynced". This asks the store instead: it knows the version of every
input that was really read, and it answers without a daemon.
"""

import inspect
from collections.abc import Callable, Container, Iterable, Mapping
from typing import Any, get_origin

import dagster as dg

from fakenews_resources.storage.io_manager import key_of
from fakenews_resources.storage.store import Record, Store, ValueMissing


def stale_assets(
    assets: Iterable[dg.AssetsDefinition],
    store: Store,
    partitions: Mapping[str, str],
    config: Mapping[str, Mapping[str, Any]],
    outdated: Container[str] = (),
) -> list[dg.AssetsDefinition]:
    """The assets that have to be made again, in the order given.

    An asset is stale when nothing is stored, when its code version or its configuration differs from what
    is recorded, when an input has another version or more partitions by now, or when something before it is
    stale.

    Args:
        assets: in topological order.
        partitions: partition by name of asset, for partitioned ones.
        config: configuration by name of asset, as far as it differs from the defaults.
        outdated: names of assets that the caller knows to be stale for a reason outside the graph.
    """
    stale: list[dg.AssetsDefinition] = []
    remade: set[dg.AssetKey] = set()
    for asset in assets:
        name = asset.key.to_user_string()
        key = key_of(asset.key, partitions[name] if asset.partitions_def else None)
        follows_stale = not remade.isdisjoint(asset.asset_deps[asset.key])
        if name in outdated or follows_stale or _is_outdated(asset, store, key, config.get(name, {})):
            stale.append(asset)
            remade.add(asset.key)
    return stale


def follows_no_more(asset: dg.AssetsDefinition, store: Store, record: Record) -> bool:
    """Whether code or inputs have changed since a stored value was made, its configuration aside; or it is a decision
    that was never carried out."""
    try:
        return (
            record.code_version != asset.code_versions_by_key[asset.key]
            or any(store.current(name).version != version for name, version in record.upstream.items())
            or _misses_partitions(asset, store, record.upstream)
            or _awaits_promotion(store, record)
        )
    except ValueMissing:
        return True


def _is_outdated(asset: dg.AssetsDefinition, store: Store, key: str, config: Mapping[str, Any]) -> bool:
    try:
        record = store.current(key).record
    except ValueMissing:
        return True
    assert record is not None
    return record.config != _with_defaults(asset, config) or follows_no_more(asset, store, record)


def _misses_partitions(asset: dg.AssetsDefinition, store: Store, upstream: Mapping[str, str]) -> bool:
    """Whether an input that is taken with all of its partitions has more of them by now, or fewer.

    An asset that picks the partition it needs, as the selection does with its winner, misses none of the others.
    """
    kinds = inspect.get_annotations(_body(asset))
    whole = {
        key.to_user_string()
        for name, key in asset.keys_by_input_name.items()
        if get_origin(kinds.get(name)) is dict
    }
    return any(
        {f"{name}/{partition}" for partition in store.partitions(name)}
        != {key for key in upstream if key.startswith(f"{name}/")}
        for name in whole
    )


def _awaits_promotion(store: Store, record: Record) -> bool:
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


def _body(asset: dg.AssetsDefinition) -> Callable[..., Any]:
    return asset.op.compute_fn.decorated_fn  # pyright: ignore[reportFunctionMemberAccess]


def _with_defaults(asset: dg.AssetsDefinition, config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration that a run records when it is given `config`."""
    config_type = inspect.get_annotations(_body(asset)).get("config")
    return config_type(**config).model_dump(mode="json") if config_type else {}
