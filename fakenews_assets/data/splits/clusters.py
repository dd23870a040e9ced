"""Clusters of near-duplicates over batches that keep arriving.

An article's state, once given, never changes: the result for the first n batches is the beginning of the
result for n + k. So batches are clustered in order of arrival, each against what came before it, at a cost
that depends on the batch and its links only.

Within a batch, clusters are connected components of rows and of the keys that rows share (a key is a node
of the graph, so a thousand equal titles are a thousand edges). A component that touches

- no earlier cluster founds one, named after its smallest `article_id`;
- earlier clusters that all lie in one split joins the oldest of them;
- earlier clusters in different splits is left out (`BRIDGE`): in either split it would have a near-duplicate in the
other.

A cluster lies in the split of the article that founded it: the one that it inherits (`inheritance`), else the one that
its publisher is held out for, else that of the cluster's hash.

Further kinds of rows are left out but stay in the graph, because they still connect others: repeats of an
article, rows whose label contradicts that of an equal title, rows that belong in another split than their
cluster, because one publisher is held out and the other is not (`HELD_OUT`), and training rows beyond the limit for one
publisher and batch (`OVER_LIMIT`), in the order of their ids, which are hashes. The first batch that labels a title
decides: if it uses one label, that is the title's label from then on; if it uses both, all rows with the title are
left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fakenews_assets.data.dedup.near_duplicates import Links, find_links
from fakenews_assets.data.splits.growth import NO_CLUSTER, graph_edges, grow_clusters
from fakenews_assets.data.splits.inheritance import Inherited, changes
from fakenews_assets.data.splits.splitting import (
    SPLIT_DTYPE,
    ClusteringSettings,
    SplitSettings,
    held_out_for,
    split_of,
)
from fakenews_resources.engine.in_process import OrderedMap, in_process

DUPLICATE: Final = "duplicate of an earlier article"
CONTRADICTION: Final = "contradicting labels"
BRIDGE: Final = "bridges two splits"
HELD_OUT: Final = "near-duplicate of a held-out publisher's article, or the reverse"
OVER_LIMIT: Final = "over the limit for its publisher"
"""Reasons for leaving out an article; the first that applies is given, in the order CONTRADICTION,
DUPLICATE, BRIDGE, HELD_OUT, OVER_LIMIT."""


@dataclass(frozen=True)
class ClusterSizes:
    """Statistics of a clustering, over the accepted rows.

    Attributes:
        rows: accepted rows.
        clusters: clusters that hold at least one accepted row.
        clustered_rows: rows that share their cluster with another row.
        largest: rows of the largest cluster. A cluster above a percent of the rows distorts the shares of
            the splits: raise the thresholds.
        mixed_label_clusters: clusters that hold both labels.
        excluded: rows left out, per reason.
    """

    rows: int
    clusters: int
    clustered_rows: int
    largest: int
    mixed_label_clusters: int
    excluded: dict[str, int]


def cluster_articles(
    articles: pl.DataFrame | pl.LazyFrame,
    batch_order: Sequence[str],
    config: ClusteringSettings,
    inherited: Inherited | None = None,
    placed: pl.DataFrame | None = None,
    over: OrderedMap = in_process,
) -> tuple[pl.DataFrame, Inherited]:
    """Find near-duplicates, and give every article a cluster or a reason for having none.

    Args:
        articles: as `find_links` and `assign_clusters` take them.
        batch_order: names of the batches in order of arrival.
        config: when two articles count as near-duplicates, and which splits a cluster must not cross.
        inherited: as in `assign_clusters`.
        placed: the articles of the last accepted splits as `placed_articles` returns them; None: there are none.
        over: as in `find_links`.

    Returns:
        CLUSTER_SCHEMA, one row per article in the order of `articles`, and what had to be inherited besides `inherited`
        so that no article of `placed` changes its split.
    """
    links = find_links(articles, config, over)
    sources = articles.lazy().select("source").collect()["source"]
    inherited, more = inherited or Inherited(), Inherited()
    while True:
        clusters = assign_clusters(articles, links, batch_order, config.splits, inherited | more)
        changed = (
            changes(placed, clusters.with_columns(source=sources), inherited | more)
            if placed is not None
            else Inherited()
        )
        if not changed:
            return clusters, more
        more |= changed


def assign_clusters(
    articles: pl.DataFrame | pl.LazyFrame,
    links: Links,
    batch_order: Sequence[str],
    config: SplitSettings,
    inherited: Inherited | None = None,
) -> pl.DataFrame:
    """Assign every article to a cluster, or give the reason why it has none.

    Args:
        articles: n rows with `article_id`, `batch`, `label` and `source`, batches one after another in order of
            arrival.
        links: what `find_links` returned for the same rows.
        batch_order: names of the batches in order of arrival.
        config: decides in which split a cluster lies, and which publishers are held out.
        inherited: what earlier splits decided for some articles; None: nothing.

    Returns:
        CLUSTER_SCHEMA, one row per article in the order of `articles`. `cluster_id` and `split` (that of the
        cluster) are null for rows left out as `BRIDGE`; `excluded` is null for accepted rows. An unlabelled
        article is accepted: leaving it out is the split's business.

    Raises:
        ValueError: rows and links do not fit together, or the batches are not in order of arrival.
    """
    rows = articles.lazy().select("article_id", "batch", "label", "source").collect()
    batches = _batch_numbers(rows["batch"], batch_order)
    if len(links.content_key) != len(rows):
        raise ValueError(
            f"{len(rows):,} articles but links for {len(links.content_key):,}: find the links of these rows again"
        )
    # Everything below counts positions in an order that does not depend on the order within a batch.
    order = (
        pl.DataFrame(
            {"batch": batches, "id": rows["article_id"], "label": rows["label"], "source": rows["source"]}
        )
        .with_row_index("row")
        .sort("batch", "id", "label", "source", nulls_last=True, maintain_order=True)["row"]
        .to_numpy()
        .astype(np.int64)
    )
    article_ids = rows["article_id"].gather(order)
    inherited = inherited or Inherited()
    names = article_ids.replace(inherited.names)
    kept = article_ids.replace_strict(inherited.articles, default=None, return_dtype=SPLIT_DTYPE)
    held_out = held_out_for(rows["source"], pl.Series(batches), config, inherited.publishers).gather(order)
    by_hash = kept.fill_null(split_of(names, config))
    # Of a cluster that each row would found.
    split = kept.fill_null(held_out).fill_null(by_hash)
    numbers = split.to_physical().to_numpy().astype(np.int64)
    cluster = grow_clusters(batches[order], graph_edges(links, order), numbers)
    founder = pl.Series(np.where(cluster == NO_CLUSTER, 0, cluster))
    decided = (
        pl.DataFrame({"row": order, "batch_number": batches[order], "id": article_ids})
        .with_row_index("position")
        .with_columns(
            label=rows["label"].gather(order),
            source=rows["source"].gather(order),
            key=pl.Series(links.content_key[order]),
            cluster_id=names.gather(founder),
            split=split.gather(founder).cast(pl.String),
            unseen_publisher=held_out.is_not_null(),
            bridge=pl.Series(cluster == NO_CLUSTER) | (kept != split.gather(founder)).fill_null(False),
            shared_text=pl.Series(links.shared_text[order]),
        )
        .with_columns(own_split=held_out.fill_null(by_hash.gather(founder)).cast(pl.String))
        .pipe(_with_repeats)
        .pipe(_with_contradictions)
        .with_columns(
            pl.when(~pl.col("bridge")).then(pl.col("cluster_id", "split")),
            excluded=pl.when("contradicts")
            .then(pl.lit(CONTRADICTION))
            .when("repeats")
            .then(pl.lit(DUPLICATE))
            .when("bridge")
            .then(pl.lit(BRIDGE))
            .when(pl.col("own_split") != pl.col("split"))
            .then(pl.lit(HELD_OUT)),
        )
        .pipe(_with_limit, config.max_publisher_rows)
        .sort("row")
    )
    return rows.select("article_id", "batch").hstack(
        decided.select("cluster_id", "split", "unseen_publisher", "shared_text", "excluded")
    )


def cluster_sizes(clusters: pl.DataFrame, labels: pl.Series) -> ClusterSizes:
    """Count what `assign_clusters` returned; `labels` are those of the same rows."""
    accepted = clusters.with_columns(label=labels).filter(pl.col("excluded").is_null())
    sizes = accepted.group_by("cluster_id").agg(
        size=pl.len(), mixed=pl.col("label").drop_nulls().n_unique() > 1
    )
    size = sizes["size"].to_numpy()
    reasons = clusters["excluded"].drop_nulls().value_counts(sort=True)
    return ClusterSizes(
        rows=len(accepted),
        clusters=len(sizes),
        clustered_rows=int(size[size > 1].sum()),
        largest=int(size.max(initial=0)),
        mixed_label_clusters=int(sizes["mixed"].sum()),
        excluded=dict(reasons.iter_rows()),
    )


def _with_limit(decided: pl.DataFrame, limit: int) -> pl.DataFrame:
    """Leave out the training rows of a publisher and batch that come after so many others."""
    trains = pl.col("excluded").is_null() & pl.col("label").is_not_null() & (pl.col("split") == "train")
    known = trains & pl.col("source").is_not_null()
    place = known.cum_sum().over("batch_number", "source")
    return decided.with_columns(
        excluded=pl.when(known & (place > limit)).then(pl.lit(OVER_LIMIT)).otherwise("excluded")
    )


def _batch_numbers(batches: pl.Series, batch_order: Sequence[str]) -> NDArray[np.int64]:
    if len(set(batch_order)) != len(batch_order):
        raise ValueError("batch_order names a batch twice")
    unknown = set(batches.unique()) - set(batch_order)
    if unknown:
        raise ValueError(
            f"batches without a place in batch_order: {', '.join(sorted(map(str, unknown))[:5])}"
        )
    numbers = batches.cast(pl.Enum(batch_order)).to_physical().to_numpy().astype(np.int64)
    if np.any(np.diff(numbers) < 0):
        raise ValueError("articles are not in order of arrival: concatenate their batches in batch_order")
    return numbers


def _with_repeats(rows: pl.DataFrame) -> pl.DataFrame:
    """Add `repeats`: an earlier row is the same article. One without a label does not stand in for one with."""
    labelled = pl.col("label").is_not_null()
    position = pl.col("position")
    return rows.with_columns(
        first=position.min().over("id"), first_labelled=position.filter(labelled).min().over("id")
    ).with_columns(
        repeats=(position > pl.col("first_labelled")).fill_null(False)
        | (~labelled & (position > pl.col("first")))
    )


def _with_contradictions(rows: pl.DataFrame) -> pl.DataFrame:
    """Add `contradicts`: a labelled row disagrees with the batch that first labelled its content key."""
    label = pl.col("label")
    # In steps: a window within a window would be computed anew for every key.
    return (
        rows.with_columns(deciding_batch=pl.col("batch_number").filter(label.is_not_null()).min().over("key"))
        .with_columns(deciding=pl.when(pl.col("batch_number") == pl.col("deciding_batch")).then(label))
        .with_columns(
            lowest=pl.col("deciding").min().over("key"), highest=pl.col("deciding").max().over("key")
        )
        .with_columns(
            contradicts=label.is_not_null()
            & ((pl.col("lowest") != pl.col("highest")) | (label != pl.col("lowest")))
        )
    )
