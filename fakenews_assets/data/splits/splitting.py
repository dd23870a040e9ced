"""Assigns articles to train, validation and test by a hash, for ever.

The split is a function of the cluster's name alone: SHA-256 of salt and `cluster_id`, read as a number in
[0, 1), against the cumulated shares. No shuffle, no state, nothing to migrate when a batch arrives; the
price is that shares are met on average only (`verification.verify_shares` gives the expected spread).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b, sha256
from math import isclose
from typing import Final, Self

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, model_validator

from fakenews_assets.data.dedup.near_duplicates import NearDuplicateSettings
from fakenews_assets.data.schema import ARTICLE_SCHEMA
from fakenews_resources.storage.store import Artifact

SPLITS: Final = ("train", "val", "test")
SPLIT_DTYPE: Final = pl.Enum(SPLITS)

CLUSTERING_FILE: Final = "clustering.json"
"""Settings of the clustering and the splits, beside the clusters and beside the splits made of them."""

UNLABELLED: Final = "unlabelled"
"""Reason for leaving out an article that has a cluster but no label."""


class SplitSettings(BaseModel):
    """Sizes of the splits. Changing any of it moves articles between splits."""

    model_config = ConfigDict(frozen=True)

    train: float = Field(default=0.70, gt=0, lt=1, description="Share of the clusters that train.")
    val: float = Field(default=0.15, gt=0, lt=1, description="Share that chooses checkpoints and thresholds.")
    test: float = Field(default=0.15, gt=0, lt=1, description="Share that is only measured on.")
    salt: str = Field(
        default="fakenews", description="Salt of the hash. Another salt gives an independent split."
    )

    @model_validator(mode="after")
    def _shares_add_up(self) -> Self:
        if not isclose(self.train + self.val + self.test, 1, abs_tol=1e-9):
            raise ValueError(
                f"train, val and test must add up to 1, not {self.train + self.val + self.test:.6g}"
            )
        return self

    def shares(self) -> dict[str, float]:
        """Share per split, in the order of `SPLITS`."""
        return {"train": self.train, "val": self.val, "test": self.test}


class ClusteringSettings(NearDuplicateSettings):
    """Settings of `article_clusters`: thresholds of near-duplicates, and sizes of the splits."""

    splits: SplitSettings = Field(default=SplitSettings(), description="Sizes of train, val and test.")


@dataclass(frozen=True)
class Splits:
    """A split corpus.

    Attributes:
        splits: per split the articles, columns of ARTICLE_SCHEMA and `cluster_id`, in order of arrival.
        excluded: `article_id`, `batch`, `cluster_id` (null where there is none) and `reason` of every
            article that is in no split.
    """

    splits: Mapping[str, pl.LazyFrame]
    excluded: pl.DataFrame


def split_of(cluster_ids: pl.Series, config: SplitSettings) -> pl.Series:
    """Split of each cluster, as `SPLIT_DTYPE`; null where the name is null."""
    salt = config.salt.encode()
    # 53 bits, so that the fraction is exact in a float and below 1.
    fractions = [
        None
        if name is None
        else (int.from_bytes(sha256(salt + name.encode()).digest()[:8], "big") >> 11) / 2**53
        for name in cluster_ids
    ]
    position = pl.col("position")
    return (
        pl.DataFrame({"position": pl.Series(fractions, dtype=pl.Float64)})
        .select(
            split=pl.when(position < config.train)
            .then(pl.lit("train"))
            .when(position < config.train + config.val)
            .then(pl.lit("val"))
            .when(position.is_not_null())
            .then(pl.lit("test"))
            .cast(SPLIT_DTYPE)
        )
        .to_series()
    )


def split_rows(labels: pl.Series, clusters: pl.DataFrame, config: SplitSettings) -> pl.DataFrame:
    """Split or reason for having none, row by row.

    Args:
        labels: (n,) label of each article, null when unlabelled.
        clusters: (n,) what `assign_clusters` returned for the same rows.
        config: sizes of the splits.

    Returns:
        (n,) `article_id`, `batch`, `cluster_id`, `split` and `reason`: exactly one of the last two is null.
    """
    if len(labels) != len(clusters):
        raise ValueError(
            f"{len(labels):,} articles but {len(clusters):,} rows of clusters: cluster the same batches again"
        )
    reason = pl.coalesce("excluded", pl.when(labels.is_null()).then(pl.lit(UNLABELLED)))
    return (
        clusters.with_columns(split_of(clusters["cluster_id"], config).alias("split"), reason=reason)
        .with_columns(split=pl.when(pl.col("reason").is_null()).then("split"))
        .select("article_id", "batch", "cluster_id", "split", "reason")
    )


def split_articles(
    articles: pl.DataFrame | pl.LazyFrame, clusters: pl.DataFrame, config: SplitSettings
) -> Splits:
    """Split the labelled, accepted articles.

    Args:
        articles: columns of ARTICLE_SCHEMA. A scan stays a scan: each split is read when it is collected.
        clusters: what `assign_clusters` returned for the same rows in the same order.
        config: sizes of the splits.
    """
    labels = articles.lazy().select("label").collect()["label"]
    rows = split_rows(labels, clusters, config)
    joined = pl.concat([articles.lazy(), rows.lazy().select("cluster_id", "split")], how="horizontal")
    columns = [*ARTICLE_SCHEMA.names(), "cluster_id"]
    return Splits(
        splits={split: joined.filter(pl.col("split") == split).select(columns) for split in SPLITS},
        excluded=rows.filter(pl.col("reason").is_not_null()).drop("split"),
    )


def training_rows(splits: Artifact) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The train and the validation rows of the stored splits: `title`, `text`, `label` and `source`."""
    columns = ("title", "text", "label", "source")
    train, val = (splits.scan(split).select(columns).collect() for split in ("train", "val"))
    return train, val


def sample_rows(table: pl.DataFrame, rows: int) -> pl.DataFrame:
    """Draw whole clusters until there are `rows` rows, or more by a part of the last cluster.

    The order of the clusters is that of their names' hashes: a draw like any other, and equal for equal rows in
    whatever order they come. A larger sample holds every row of a smaller one.

    Args:
        table: column `article_id`, and `cluster_id` if near-duplicates are known.
        rows: how many are wanted; a table that has no more is returned whole.

    Returns:
        Rows in the order of the draw.
    """
    unit = "cluster_id" if "cluster_id" in table.columns else "article_id"
    ordered = table.with_columns(
        _draw=table[unit].map_elements(_hash, return_dtype=pl.String),
    ).sort("_draw", "article_id")
    # A cluster is in if rows are missing before it.
    before = ordered["_draw"].rank("min") - 1
    return ordered.filter(before < rows).drop("_draw")


def _hash(name: str) -> str:
    return blake2b(name.encode(), digest_size=8).hexdigest()
