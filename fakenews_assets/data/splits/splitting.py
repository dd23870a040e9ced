"""Assigns articles to train, validation, selection and test by a hash, for ever.

The split of a cluster is a function of its name: SHA-256 of salt and `cluster_id`, read as a number in [0, 1),
against the cumulated shares. No shuffle, no state, nothing to migrate when a batch arrives; the price is that shares
are met on average only (`verification.verify_shares` gives the expected spread). When a batch leaves, `inheritance` keeps
what would change.

Some publishers are held out for `test` and some for `selection`, by a hash of their name: their articles show how
a model does on publishers that it has never seen.

Who reads which split: `val` chooses checkpoints, settings and thresholds; `selection` decides between candidates;
`test` is reported and decides nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b, sha256
from math import isclose
from typing import Final, Self

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, model_validator

from fakenews_assets.data.dedup.near_duplicates import NearDuplicateSettings
from fakenews_assets.data.schema import SPLIT_SCHEMA
from fakenews_resources.storage.artifact import Artifact

SPLITS: Final = ("train", "val", "selection", "test")
SPLIT_DTYPE: Final = pl.Enum(SPLITS)

CLUSTERING_FILE: Final = "clustering.json"
"""Settings of the clustering and the splits, beside the clusters and beside the splits made of them."""

UNLABELLED: Final = "unlabelled"
"""Reason for leaving out an article that has a cluster but no label."""


class SplitSettings(BaseModel):
    """Sizes of the splits. Changing any of it moves articles between splits."""

    model_config = ConfigDict(frozen=True)

    train: float = Field(default=0.70, gt=0, lt=1, description="Share of the clusters that train.")
    val: float = Field(default=0.10, gt=0, lt=1, description="Share that chooses checkpoints and thresholds.")
    selection: float = Field(default=0.10, gt=0, lt=1, description="Share that decides between candidates.")
    test: float = Field(default=0.10, gt=0, lt=1, description="Share that is only reported.")
    unseen_publishers: float = Field(
        default=0.10,
        ge=0,
        lt=0.5,
        description="Share of the publishers whose articles are all in `test`, and of those whose articles are all in"
        " `selection`: no model is trained on them. 0: none.",
    )
    largest_unseen_publisher: float = Field(
        default=0.05,
        gt=0,
        le=1,
        description="A publisher is never held out if it wrote more than this share of all articles that had arrived"
        " with its first batch.",
    )
    max_publisher_rows: int = Field(
        default=10_000,
        ge=1,
        description="Most training articles of one publisher in one batch; a draw by hash leaves out the others. A tight"
        " limit such as 100 made models worse on unseen publishers, so it is generous.",
    )
    salt: str = Field(
        default="fakenews", description="Salt of the hashes. Another salt gives an independent split."
    )

    @model_validator(mode="after")
    def _shares_add_up(self) -> Self:
        total = sum(self.shares().values())
        if not isclose(total, 1, abs_tol=1e-9):
            raise ValueError(f"{', '.join(SPLITS[:-1])} and {SPLITS[-1]} must add up to 1, not {total:.6g}")
        return self

    def shares(self) -> dict[str, float]:
        """Share per split, in the order of `SPLITS`."""
        return {split: getattr(self, split) for split in SPLITS}


class ClusteringSettings(NearDuplicateSettings):
    """Settings of `article_clusters`: thresholds of near-duplicates, and sizes of the splits."""

    splits: SplitSettings = Field(default=SplitSettings(), description="Sizes of the splits.")


@dataclass(frozen=True)
class Splits:
    """A split corpus.

    Attributes:
        splits: per split the articles in order of arrival: columns of ARTICLE_SCHEMA, `cluster_id`,
            `unseen_publisher` (whether the publisher is held out) and `shared_text` (see `Links.shared_text`).
        excluded: `article_id`, `batch`, `cluster_id` (null where there is none) and `reason` of every
            article that is in no split.
    """

    splits: Mapping[str, pl.LazyFrame]
    excluded: pl.DataFrame


def split_of(cluster_ids: pl.Series, config: SplitSettings) -> pl.Series:
    """Split of each cluster by its hash, as `SPLIT_DTYPE`; null where the name is null."""
    return _at(_positions(cluster_ids, config.salt), config.shares())


def held_out_for(
    sources: pl.Series,
    batches: pl.Series,
    config: SplitSettings,
    inherited: Mapping[str, str | None] | None = None,
) -> pl.Series:
    """The split that each article's publisher is held out for, as `SPLIT_DTYPE`; null where it is not.

    The answer for an article never changes as further batches arrive.

    Args:
        sources: (n,) publisher of each article, null where it is unknown.
        batches: (n,) number of each article's batch in order of arrival, from 0 and never falling.
        config: share of the publishers, and the size from which one is never held out.
        inherited: as `Inherited.publishers`: these publishers' answers are settled.
    """
    rows = pl.DataFrame({"source": sources, "batch": batches})
    arrived = rows.group_by("batch").len().sort("batch").select("batch", arrived=pl.col("len").cum_sum())
    publishers = (
        rows.drop_nulls("source")
        .group_by("source", "batch")
        .len()
        .sort("source", "batch")
        .unique("source", keep="first", maintain_order=True)
        .join(arrived, on="batch")
        .filter(pl.col("len") <= config.largest_unseen_publisher * pl.col("arrived"))
    )
    share = config.unseen_publishers
    split = _at(
        _positions(publishers["source"], f"{config.salt}/publisher/"), {"test": share, "selection": share}
    )
    settled = pl.DataFrame(
        list((inherited or {}).items()), {"source": pl.String, "split": SPLIT_DTYPE}, orient="row"
    )
    answers = pl.concat([settled, publishers.select("source", split=split)]).unique("source", keep="first")
    return rows.join(answers, on="source", how="left", maintain_order="left")["split"]


def split_articles(articles: pl.DataFrame | pl.LazyFrame, clusters: pl.DataFrame) -> Splits:
    """Split the labelled, accepted articles.

    Args:
        articles: columns of ARTICLE_SCHEMA. A scan stays a scan: each split is read when it is collected.
        clusters: what `assign_clusters` returned for the same rows in the same order.

    Raises:
        ValueError: the rows do not fit together.
    """
    labels = articles.lazy().select("label").collect()["label"]
    if len(labels) != len(clusters):
        raise ValueError(
            f"{len(labels):,} articles but {len(clusters):,} rows of clusters: cluster the same batches again"
        )
    reason = pl.coalesce("excluded", pl.when(labels.is_null()).then(pl.lit(UNLABELLED)))
    rows = clusters.with_columns(reason=reason)
    joined = pl.concat(
        [
            articles.lazy(),
            rows.lazy().select("cluster_id", "unseen_publisher", "shared_text", "split", "reason"),
        ],
        how="horizontal",
    ).filter(pl.col("reason").is_null())
    return Splits(
        splits={
            split: joined.filter(pl.col("split") == split).select(SPLIT_SCHEMA.names()) for split in SPLITS
        },
        excluded=rows.filter(pl.col("reason").is_not_null()).select(
            "article_id", "batch", "cluster_id", "reason"
        ),
    )


def training_rows(splits: Artifact) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The train and the validation rows of the stored splits: `title`, `text`, `label`, `source` and `batch`."""
    columns = ("title", "text", "label", "source", "batch")
    train, val = (splits.scan(split).select(columns).collect() for split in ("train", "val"))
    return train, val


def seen_rows(splits: Artifact, split: str) -> pl.LazyFrame:
    """The articles of a stored split whose publishers are not held out."""
    return splits.scan(split).filter(~pl.col("unseen_publisher"))


def unseen_rows(splits: Artifact, split: str) -> pl.LazyFrame:
    """The articles of a stored split whose publishers no model was trained on."""
    return splits.scan(split).filter("unseen_publisher")


def _positions(names: pl.Series, salt: str) -> pl.Series:
    """A number in [0, 1) for each name; null where the name is null."""
    salted = salt.encode()
    # 53 bits, so that the fraction is exact in a float and below 1.
    return pl.Series(
        [
            None
            if name is None
            else (int.from_bytes(sha256(salted + name.encode()).digest()[:8], "big") >> 11) / 2**53
            for name in names
        ],
        dtype=pl.Float64,
    )


def _at(positions: pl.Series, shares: Mapping[str, float]) -> pl.Series:
    """The split at each position when the shares lie one after another; null behind the last."""
    split, end = pl.lit(None, dtype=pl.String), sum(shares.values())
    for name, share in reversed(list(shares.items())):
        split = pl.when(pl.col("position") < end).then(pl.lit(name)).otherwise(split)
        end -= share
    return positions.to_frame("position").select(split.cast(SPLIT_DTYPE).alias("split")).to_series()


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
