"""Texts that articles of many different titles share: a cookie notice, a paywall's line, a word for a missing text.

Such a text says nothing about its article, so it links none. Whether a text is one is decided with the batch that
brings it, by the titles that had it until then: what later batches bring changes no earlier link.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def find_shared(
    text_key: NDArray[np.uint64],
    content_key: NDArray[np.uint64],
    pairs: NDArray[np.int64],
    order: NDArray[np.int64],
    batch: NDArray[np.int64],
    most_titles: int,
) -> NDArray[np.bool_]:
    """The rows whose text, when they arrived, more different titles had than links are made for.

    Equal and similar texts count as one text, and so do those that a third one resembles.

    Args:
        text_key: (n,) equal for equal texts, 0 for no text.
        content_key: (n,) equal for equal titles.
        pairs: (m, 2) rows with similar texts.
        order: (n,) the rows in order of arrival.
        batch: (n,) number of each row's batch, rising in order of arrival.
        most_titles: different titles that one text may have.
    """
    rows = len(order)
    position = np.empty(rows, dtype=np.int64)
    position[order] = np.arange(rows)
    is_new_title = np.zeros(rows, dtype=np.int64)
    is_new_title[np.unique(content_key[order], return_index=True)[1]] = 1
    later, earlier = _edges(text_key[order], position[pairs])
    # A text is named after its first row; `known` leads there, `titles` counts what it has there.
    known, titles = np.arange(rows), is_new_title
    shared = np.zeros(rows, dtype=bool)
    ends = np.flatnonzero(np.diff(batch[order], append=-1)) + 1
    starts = [0, *ends.tolist()]
    bounds = np.searchsorted(later, starts).tolist()
    for start, (begin, end) in zip(starts, pairwise(bounds), strict=False):
        if begin == end:
            continue
        touched = np.stack([later[begin:end], _first(known, earlier[begin:end])])
        nodes, edges = np.unique(touched, return_inverse=True)
        edges = edges.reshape(2, -1)
        graph = coo_array((np.ones(edges.shape[1], np.int8), (edges[0], edges[1])), (len(nodes), len(nodes)))
        group = connected_components(graph.tocsr(), directed=False)[1]
        first = nodes[np.unique(group, return_index=True)[1]]
        total = np.bincount(group, weights=titles[nodes]).astype(np.int64)
        known[nodes], titles[first] = first[group], total
        arrived = nodes >= start
        shared[nodes[arrived]] = (total > most_titles)[group[arrived]]
    found = np.empty(rows, dtype=bool)
    found[order] = shared
    return found


def _edges(
    text_key: NDArray[np.uint64], pairs: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Each row with an earlier one of the same text, in order of the later row."""
    with_text = np.flatnonzero(text_key)
    _, first, text = np.unique(text_key[with_text], return_index=True, return_inverse=True)
    equal = np.stack([with_text, with_text[first[text]]], axis=1)
    edges = np.sort(np.concatenate([equal[equal[:, 0] != equal[:, 1]], pairs]), axis=1)[:, ::-1]
    edges = edges[np.argsort(edges[:, 0], kind="stable")]
    return edges[:, 0], edges[:, 1]


def _first(known: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The row that a text is named after now."""
    found = known[rows]
    while not np.array_equal(further := known[found], found):
        found = further
    return found
