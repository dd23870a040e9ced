"""Consequences of an erasure: models trained on the article, and near-duplicates that it connected."""

from collections.abc import Collection
from typing import Final

import polars as pl
from pydantic import ValidationError

from fakenews_assets.data.schema import CLUSTER_SCHEMA
from fakenews_assets.governance.audit.data import CLEAN, CLUSTERS, clusters_anew
from fakenews_assets.registry.bundle import MANIFEST_FILE, Manifest
from fakenews_assets.registry.bundles import bundles_in
from fakenews_resources.storage.ledger import Ledger
from fakenews_resources.storage.store import Store, ValueMissing

_TAUGHT_BY: Final = ("train", "val", "selection")


def bundles_taught(store: Store, article_ids: Collection[str]) -> list[str]:
    """Bundles whose models were trained, chosen or calibrated with an article."""
    found = []
    for sha in bundles_in(store.bundles):
        try:
            manifest = Manifest.model_validate_json((store.bundle(sha) / MANIFEST_FILE).read_bytes())
            splits = store.get("splits", manifest.data_versions["splits"])
        except (OSError, ValidationError, KeyError, ValueMissing):
            continue  # what it learnt from, nobody can say any more
        splits = pl.concat([splits.scan(split).select("article_id") for split in _TAUGHT_BY])
        mine = pl.col("article_id").is_in(list(article_ids))
        if splits.select(mine.any()).collect().item():
            found.append(sha)
    return found


def cluster_heirs(store: Store, article_ids: Collection[str]) -> dict[str, str]:
    """The cluster of every article that shares one with these, by article.

    A cluster is named after one of its articles, and its name decides its split. Without the heirs, the remaining
    articles would change splits.
    """
    heirs: dict[str, str] = {}
    for version in store.versions(CLUSTERS):
        table = store.get(CLUSTERS, version).scan("clusters").select("article_id", "cluster_id").collect()
        mine = pl.col("article_id").is_in(list(article_ids))
        shared = table.filter(mine)["cluster_id"].drop_nulls().unique()
        heirs |= dict(table.filter(pl.col("cluster_id").is_in(shared.implode()), ~mine).iter_rows())
    return heirs


def unsettled_clusters(
    store: Store, article_ids: Collection[str], ledger: Ledger
) -> dict[str, tuple[str, ...]]:
    """Articles whose cluster changes when it is recomputed after the erasure, by version of the clusters.

    Args:
        store: the graph's values, after the erasure.
        article_ids: of the erased article.
        ledger: the tombstones, with the erasure.
    """
    found: dict[str, tuple[str, ...]] = {}
    for version in store.versions(CLUSTERS):
        stored = store.get(CLUSTERS, version)
        table = stored.scan("clusters").collect()
        if not table["article_id"].is_in(list(article_ids)).any():
            continue
        assert stored.record is not None
        try:
            clean = {
                key.removeprefix(CLEAN): store.get(key, one)
                for key, one in stored.record.upstream.items()
                if key.startswith(CLEAN)
            }
        except ValueMissing:
            continue  # no audit can compute these clusters anew
        computed = clusters_anew(clean, stored, ledger)
        other = table.select(
            pl.any_horizontal(pl.col(name).ne_missing(computed[name]) for name in CLUSTER_SCHEMA)
        ).to_series()
        if other.any():
            found[version] = tuple(sorted(set(table.filter(other)["article_id"])))
    return found
