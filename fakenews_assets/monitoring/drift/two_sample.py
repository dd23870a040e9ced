"""Two-sample tests: effect sizes with permutation thresholds.

The tests assume nothing about distributions. If window and reference come from the same one, their labels are
exchangeable: the labels are permuted, and every effect size is compared with its values under those permutations (Good, "Permutation, Parametric and Bootstrap Tests of Hypotheses", 2005, ch. 3).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

_Array = NDArray[np.float64]

FOLDS: Final = 5

RIDGE: Final = 0.1
"""Penalty of the domain classifier per training row, on features of unit variance."""

_SMALLEST_SPREAD: Final = 0.001
"""As in Evidently's distance: a constant column is divided by this."""

_CELLS_AT_ONCE: Final = 4_000_000


@dataclass(frozen=True)
class Distances:
    """Distances of k columns."""

    values: _Array
    """Wasserstein distance over the reference's standard deviation, shape [k]: Evidently's `wasserstein`."""
    chance: _Array
    """What the largest of them all would exceed by chance in a share `level` of windows, on each column's own
    scale, shape [k]."""


def column_distances(
    reference: _Array, window: _Array, *, permutations: int, level: float, seed: int
) -> Distances:
    """Compare numeric columns one by one, with one joint guard against false alarms.

    The thresholds are those of Westfall and Young's step of maxima ("Resampling-Based Multiple Testing", 1993,
    ch. 2): with no shift at all, the chance that any column passes its own is `level`, however the columns depend
    on each other.

    Args:
        reference: shape [m, k], no nulls.
        window: shape [n, k], no nulls.
        permutations: relabellings behind the thresholds; level times this should be 1 or more.
        level: chance of a false alarm over all columns together, in (0, 1).
        seed: equal seeds give equal thresholds.
    """
    pooled = np.concatenate([reference, window])
    order = np.argsort(pooled, axis=0, kind="stable")
    gaps = np.diff(np.take_along_axis(pooled, order, axis=0), axis=0)
    labels = _labels(len(reference), len(window), permutations, seed)
    moved = np.empty((pooled.shape[1], permutations + 1))
    step = max(1, _CELLS_AT_ONCE // len(pooled))
    for column in range(pooled.shape[1]):
        for first in range(0, permutations + 1, step):
            part = labels[first : first + step, order[:, column]]
            moved[column, first : first + step] = _transport(
                part, gaps[:, column], len(reference), len(window)
            )
    centre = moved.mean(axis=1, keepdims=True)
    spread = np.maximum(moved.std(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    largest = ((moved - centre) / spread).max(axis=0)
    limit = np.quantile(largest, 1 - level, method="higher")
    scale = np.maximum(reference.std(axis=0), _SMALLEST_SPREAD)
    return Distances(moved[:, 0] / scale, (centre + limit * spread)[:, 0] / scale)


def _transport(labels: NDArray[np.bool_], gaps: _Array, m: int, n: int) -> _Array:
    """Wasserstein distances of relabellings, shape [relabellings]: the area between the two distribution functions.

    Args:
        labels: shape [relabellings, m + n], in the order of the values; true: of the window.
        gaps: between neighbouring values, shape [m + n - 1].
        m: rows of the reference.
        n: rows of the window.
    """
    in_window = np.cumsum(labels[:, :-1], axis=1, dtype=np.float64)
    below = np.arange(1, labels.shape[1], dtype=np.float64)
    return np.abs(in_window * (1 / n + 1 / m) - below / m) @ gaps


@dataclass(frozen=True)
class Separation:
    """How well a classifier separates window and reference."""

    auc: float
    """Area under the ROC curve, cross-fitted: 0.5 is not at all, 1 is perfectly."""
    chance: float
    """What it would exceed by chance in a share `level` of windows."""
    scores: _Array
    """Of each row by a classifier that has not seen it, shape [m + n]; higher is more like the window."""


def domain_separation(
    reference: NDArray[np.float32],
    window: NDArray[np.float32],
    *,
    permutations: int,
    level: float,
    seed: int,
) -> Separation:
    """Cross-fit a linear classifier that separates window and reference.

    A classifier two-sample test (Lopez-Paz and Oquab, "Revisiting Classifier Two-Sample Tests", ICLR 2017), with
    ridge regression: its answers are linear in the labels, so that all permutations share one factorisation.

    Args:
        reference: embeddings, shape [m, d].
        window: embeddings, shape [n, d].
        permutations: relabellings behind `chance`.
        level: chance of a false alarm, in (0, 1).
        seed: draws folds and permutations.
    """
    rows = np.concatenate([reference, window]).astype(np.float32)
    rows -= rows.mean(axis=0)
    rows /= np.maximum(rows.std(axis=0), np.finfo(np.float32).tiny ** 0.5)
    labels = _labels(len(reference), len(window), permutations, seed).T.astype(np.float32)
    fold = np.random.default_rng(seed).permutation(len(rows)) % FOLDS
    scores = np.empty(labels.shape, dtype=np.float32)
    for held_out in range(FOLDS):
        train, test = rows[fold != held_out], rows[fold == held_out]
        answers = labels[fold != held_out]
        middle = train.mean(axis=0)
        train = train - middle
        gram = train.T @ train + RIDGE * len(train) * np.eye(rows.shape[1], dtype=np.float32)
        weights = np.linalg.solve(gram, train.T @ (answers - answers.mean(axis=0)))
        scores[fold == held_out] = (test - middle) @ weights
    areas = _areas(scores, labels)
    return Separation(
        auc=float(areas[0]),
        chance=float(np.quantile(areas, 1 - level, method="higher")),
        scores=scores[:, 0].astype(np.float64),
    )


def _areas(scores: NDArray[np.float32], labels: NDArray[np.float32]) -> _Array:
    """Area under the ROC curve of each column (Mann and Whitney's statistic over all pairs)."""
    ranks = np.empty(scores.shape, dtype=np.float64)
    order = np.argsort(scores, axis=0)
    np.put_along_axis(ranks, order, np.arange(1.0, len(scores) + 1)[:, np.newaxis], axis=0)
    n = labels.sum(axis=0, dtype=np.float64)
    return ((ranks * labels).sum(axis=0) - n * (n + 1) / 2) / (n * (len(labels) - n))


def _labels(m: int, n: int, permutations: int, seed: int) -> NDArray[np.bool_]:
    """Relabellings, shape [permutations + 1, m + n]; the first is the true one. True: of the window."""
    true = np.arange(m + n) >= m
    drawn = np.broadcast_to(true, (permutations + 1, m + n)).copy()
    np.random.default_rng(seed).permuted(drawn[1:], axis=1, out=drawn[1:])
    return drawn
