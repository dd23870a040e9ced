"""Keeps articles in their splits when other articles leave the corpus or come back.

A cluster lies in the split of its founder, and a publisher is held out if it was small among all that had arrived with
its first batch. Neither is the same once a batch is deleted, is cleaned otherwise, or is registered again. What the last
accepted splits decided is therefore inherited wherever it would change. Tombstones record it, so that an audit and a
reproduction come to the same splits.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import polars as pl

from fakenews_assets.data.splits.splitting import CLUSTERING_FILE, SPLITS, ClusteringSettings, SplitSettings
from fakenews_resources.storage.ledger import KeptSplits, Ledger
from fakenews_resources.storage.store import Store
from fakenews_resources.storage.tombstones import Tombstones


@dataclass(frozen=True)
class Inherited:
    """What earlier splits decided.

    Attributes:
        names: name that the cluster of a founder keeps, because the article that gave the name was erased.
        articles: split of each article. One whose cluster lies in another split is left out.
        publishers: the split that each publisher is held out for; None: it is not.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    articles: Mapping[str, str] = field(default_factory=dict)
    publishers: Mapping[str, str | None] = field(default_factory=dict)

    @classmethod
    def of(cls, ledger: Ledger) -> Self:
        """What the tombstones of a store record."""
        return cls(ledger.heirs, ledger.kept_articles, ledger.kept_publishers)

    def __bool__(self) -> bool:
        return bool(self.names or self.articles or self.publishers)

    def __or__(self, other: "Inherited") -> "Inherited":
        return Inherited(
            {**self.names, **other.names},
            {**self.articles, **other.articles},
            {**self.publishers, **other.publishers},
        )


def placed_articles(store: Store, config: SplitSettings) -> pl.DataFrame | None:
    """`article_id`, `cluster_id`, `source`, `unseen_publisher` and `split` of the articles in the last accepted splits.

    None: there are none, or they were made with other settings (but for `max_publisher_rows`), so that nothing is
    inherited.
    """
    if not store.exists("splits"):
        return None
    splits = store.current("splits")
    made_with = ClusteringSettings.model_validate(splits.read_json(CLUSTERING_FILE)).splits
    if made_with.model_copy(update={"max_publisher_rows": config.max_publisher_rows}) != config:
        return None
    columns = ("article_id", "cluster_id", "source", "unseen_publisher")
    return pl.concat(splits.scan(split).select(*columns, split=pl.lit(split)) for split in SPLITS).collect()


def changes(placed: pl.DataFrame, clusters: pl.DataFrame, known: Inherited) -> Inherited:
    """What clusters decide otherwise than accepted splits, besides what is inherited already.

    Publishers come first: their articles follow them once the clusters are assigned again.

    Args:
        placed: what `placed_articles` returned.
        clusters: CLUSTER_SCHEMA and `source` of the articles that are there now.
        known: with which `clusters` were made.
    """
    before = placed.drop_nulls("source").unique("source")
    now = clusters.unique("source").select("source", unseen_now="unseen_publisher")
    publishers = before.join(now, on="source").filter(
        pl.col("unseen_publisher") != pl.col("unseen_now"), ~pl.col("source").is_in(list(known.publishers))
    )
    if publishers.height:
        held_out = pl.when("unseen_publisher").then("split")
        return Inherited(publishers=dict(publishers.select("source", held_out).iter_rows()))
    # The copies of an article may be left out of its cluster.
    here = clusters.sort(pl.col("excluded").is_not_null(), maintain_order=True).unique(
        "article_id", keep="first"
    )
    both = placed.join(
        here.select("article_id", cluster_now="cluster_id", split_now="split", here=True),
        on="article_id",
        how="left",
    )
    same = (pl.col("cluster_id") == pl.col("cluster_now")) & (pl.col("split") == pl.col("split_now"))
    # Near-duplicates stay together, also with those that are gone and may come back.
    articles = both.filter(
        (~same.fill_null(False)).any().over("cluster_id"),
        pl.col("here").any().over("cluster_id"),
        ~pl.col("article_id").is_in(list(known.articles)),
    )
    return Inherited(articles=dict(articles.select("article_id", "split").iter_rows()))


def record(store: Store, inherited: Inherited, *, by: str) -> None:
    """Append a tombstone about what `changes` returned. Raises StoreError if another process holds the tombstones."""
    tombstones = Tombstones(store)
    with tombstones.locked():
        tombstones.taken_up()
        tombstones.append(
            KeptSplits(
                by=by,
                reason="articles left the corpus or came back",
                articles=dict(inherited.articles),
                publishers=dict(inherited.publishers),
            )
        )
