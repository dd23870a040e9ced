"""Train, validation and test sides that an article keeps for ever.

The side is a function of the cluster's name alone: SHA-256 of salt and `cluster_id`, read as a number in
[0, 1), against the cumulated shares. No shuffle, no state, nothing to migrate when a batch arrives; the
price is that shares are met on average only (`split_checks.verify_shares` gives the spread to expect).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from math import isclose
from typing import Final, Self

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, model_validator

from fakenews_assets.data.schema import ARTICLE_SCHEMA

SIDES: Final = ("train", "val", "test")
SIDE_DTYPE: Final = pl.Enum(SIDES)

CLUSTERING_FILE: Final = "clustering.json"
"""Settings of the clustering and the sides, beside the clusters and beside the splits made of them."""

UNLABELLED: Final = "unlabelled"
"""Reason for leaving out an article that has a cluster but no label."""


class SplitConfig(BaseModel):
    """Sizes of the sides. Changing any of it moves articles between sides."""

    model_config = ConfigDict(frozen=True)

    train: float = Field(default=0.70, gt=0, lt=1, description="Share of the clusters that train.")
    val: float = Field(default=0.15, gt=0, lt=1, description="Share that chooses checkpoints and thresholds.")
    test: float = Field(default=0.15, gt=0, lt=1, description="Share that is only ever measured on.")
    salt: str = Field(default="fakenews", description="Another salt is another, independent split.")

    @model_validator(mode="after")
    def _shares_add_up(self) -> Self:
        if not isclose(self.train + self.val + self.test, 1, abs_tol=1e-9):
            raise ValueError(
                f"train, val and test must add up to 1, not {self.train + self.val + self.test:.6g}"
            )
        return self

    def shares(self) -> dict[str, float]:
        """Share per side, in the order of `SIDES`."""
        return {"train": self.train, "val": self.val, "test": self.test}


@dataclass(frozen=True)
class Splits:
    """A split corpus.

    Attributes:
        sides: per side the articles, columns of ARTICLE_SCHEMA and `cluster_id`, in order of arrival.
        excluded: `article_id`, `batch`, `cluster_id` (null where there is none) and `reason` of every
            article that is on no side.
    """

    sides: Mapping[str, pl.LazyFrame]
    excluded: pl.DataFrame


def side_of(cluster_ids: pl.Series, config: SplitConfig) -> pl.Series:
    """Side of each cluster, as `SIDE_DTYPE`; null where the name is null."""
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
            side=pl.when(position < config.train)
            .then(pl.lit("train"))
            .when(position < config.train + config.val)
            .then(pl.lit("val"))
            .when(position.is_not_null())
            .then(pl.lit("test"))
            .cast(SIDE_DTYPE)
        )
        .to_series()
    )


def sides_of_rows(labels: pl.Series, clusters: pl.DataFrame, config: SplitConfig) -> pl.DataFrame:
    """Side or reason for having none, row by row.

    Args:
        labels: (n,) label of each article, null when unlabelled.
        clusters: (n,) what `assign_clusters` returned for the same rows.
        config: sizes of the sides.

    Returns:
        (n,) `article_id`, `batch`, `cluster_id`, `side` and `reason`: exactly one of the last two is null.
    """
    if len(labels) != len(clusters):
        raise ValueError(
            f"{len(labels):,} articles but {len(clusters):,} rows of clusters: cluster the same batches again"
        )
    reason = pl.coalesce("excluded", pl.when(labels.is_null()).then(pl.lit(UNLABELLED)))
    return (
        clusters.with_columns(side_of(clusters["cluster_id"], config).alias("side"), reason=reason)
        .with_columns(side=pl.when(pl.col("reason").is_null()).then("side"))
        .select("article_id", "batch", "cluster_id", "side", "reason")
    )


def split(articles: pl.DataFrame | pl.LazyFrame, clusters: pl.DataFrame, config: SplitConfig) -> Splits:
    """Divide the labelled, accepted articles into sides.

    Args:
        articles: columns of ARTICLE_SCHEMA. A scan stays a scan: each side is read when it is collected.
        clusters: what `assign_clusters` returned for the same rows in the same order.
        config: sizes of the sides.
    """
    labels = articles.lazy().select("label").collect()["label"]
    rows = sides_of_rows(labels, clusters, config)
    joined = pl.concat([articles.lazy(), rows.lazy().select("cluster_id", "side")], how="horizontal")
    columns = [*ARTICLE_SCHEMA.names(), "cluster_id"]
    return Splits(
        sides={side: joined.filter(pl.col("side") == side).select(columns) for side in SIDES},
        excluded=rows.filter(pl.col("reason").is_not_null()).drop("side"),
    )
