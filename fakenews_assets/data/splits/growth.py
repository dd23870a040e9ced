"""Growth of near-duplicate clusters, batch by batch, as connected components of a graph of rows and keys."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from fakenews_assets.data.dedup.near_duplicates import Links

NO_CLUSTER: Final = -1
"""Of a row that bridges two splits."""


@dataclass(frozen=True)
class Edges:
    """Edges between a row and another node: an earlier row, or a key, numbered after all rows."""

    row: NDArray[np.int64]
    other: NDArray[np.int64]
    nodes: int


def graph_edges(links: Links, order: NDArray[np.int64]) -> Edges:
    """The links as edges between positions, sorted by the row that brings them in."""
    rows = len(order)
    position = np.empty(rows, dtype=np.int64)
    position[order] = np.arange(rows)
    contents, content = np.unique(links.content_key[order], return_inverse=True)
    with_text = np.flatnonzero(links.text_key[order])
    texts, text = np.unique(links.text_key[order[with_text]], return_inverse=True)
    pairs = np.sort(position[links.edges], axis=1)
    row = np.concatenate([np.arange(rows), with_text, pairs[:, 1]])
    other = np.concatenate([rows + content, rows + len(contents) + text, pairs[:, 0]])
    in_order = np.argsort(row, kind="stable")
    return Edges(row[in_order], other[in_order], rows + len(contents) + len(texts))


def grow_clusters(batches: NDArray[np.int64], edges: Edges, splits: NDArray[np.int64]) -> NDArray[np.int64]:
    """Position of the founder of each row's cluster, `NO_CLUSTER` for rows that bridge two splits.

    `splits` holds the number of the split of the cluster that each row would found.
    """
    rows = len(batches)
    cluster = np.full(edges.nodes, NO_CLUSTER, dtype=np.int64)
    bounds = [*np.flatnonzero(np.diff(batches, prepend=-1)).tolist(), rows]
    edge_bounds = np.searchsorted(edges.row, bounds).tolist()
    for (first, last), (begin, end) in zip(pairwise(bounds), pairwise(edge_bounds), strict=True):
        row, other = edges.row[begin:end] - first, edges.other[begin:end]
        # A row that was left out before leads nowhere.
        usable = (other >= first) | (cluster[other] != NO_CLUSTER)
        row, other = row[usable], other[usable]
        is_known = cluster[other] != NO_CLUSTER
        new_row, new_other = row[~is_known], other[~is_known]
        is_key = new_other >= rows
        keys, key = np.unique(new_other[is_key], return_inverse=True)
        local = new_other - first
        local[is_key] = last - first + key
        count, component = _components(new_row, local, last - first + len(keys))
        # Every component holds a row, for a key only comes in with one: its first row is the founder.
        founder = first + np.unique(component[: last - first], return_index=True)[1]
        chosen = _choose(founder, component[row[is_known]], cluster[other[is_known]], splits)
        assert len(chosen) == count
        cluster[first:last] = chosen[component[: last - first]]
        cluster[keys] = chosen[component[last - first :]]
    return cluster[:rows]


def _components(
    left: NDArray[np.int64], right: NDArray[np.int64], nodes: int
) -> tuple[int, NDArray[np.int32]]:
    graph = coo_array((np.ones(len(left), dtype=np.int8), (left, right)), shape=(nodes, nodes))
    return connected_components(graph.tocsr(), directed=False)


def _choose(
    founder: NDArray[np.int64],
    component: NDArray[np.int32],
    earlier: NDArray[np.int64],
    splits: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Cluster of each new component, given pairs of a component and an earlier cluster that it touches."""
    oldest, newest = _extremes(component, earlier, len(founder))
    chosen = np.where(newest == NO_CLUSTER, founder, oldest)
    several = ((newest != NO_CLUSTER) & (oldest != newest))[component]
    if several.any():
        lowest, highest = _extremes(component[several], splits[earlier[several]], len(founder))
        chosen[(highest != NO_CLUSTER) & (lowest != highest)] = NO_CLUSTER
    return chosen


def _extremes(
    group: NDArray[np.int32], values: NDArray[np.int64], groups: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Smallest and largest value of each group; the largest is `NO_CLUSTER` where a group has no value."""
    smallest = np.full(groups, np.iinfo(np.int64).max)
    largest = np.full(groups, NO_CLUSTER, dtype=np.int64)
    np.minimum.at(smallest, group, values)
    np.maximum.at(largest, group, values)
    return smallest, largest
