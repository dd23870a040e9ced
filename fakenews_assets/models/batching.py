"""Length-bucketed batches.

Short rows in a batch with long ones waste computation on padding, so batches are cut from rows sorted by length: at
random for training, in fixed order for evaluation.
"""

import math

import numpy as np
from numpy.typing import NDArray

_POOL = 32
"""Batches cut from one sorted pool. Larger pools pad less but put rows of one length, hence often of one
publisher, into the same batch; at 32 padding is already a few percent on titles."""


def steps_per_epoch(rows: int, batch_size: int, world_size: int = 1) -> int:
    """Batches that every process sees in one epoch."""
    return math.ceil(rows / (batch_size * world_size))


def plan_epoch(
    lengths: NDArray[np.integer],
    batch_size: int,
    *,
    seed: int,
    epoch: int,
    rank: int = 0,
    world_size: int = 1,
    pool: int = _POOL,
) -> list[NDArray[np.int64]]:
    """Cut one epoch into batches of about equally many tokens.

    Rows are shuffled, taken in pools of `pool * batch_size`, sorted by length within the pool, and the pool is
    cut where the running number of tokens passes equal shares. The token budget is therefore not a setting: it
    is `batch_size` times the mean length of the pool. Short rows come in larger batches than long ones, every
    step costs the same, and the number of steps is exactly that of plain batches of `batch_size` rows, so
    learning rate and schedule keep their usual meaning.

    Processes that train together share out the plan of one process with as many times the `batch_size`: each takes
    every `world_size`-th row of each of its batches. So they take the same steps as that process would, and each step
    costs all of them the same.

    Args:
        lengths: tokens per row, shape [rows].
        batch_size: mean rows per batch and process.
        seed: with `epoch`, decides the order.
        epoch: counted from 0.
        rank: this process among `world_size`; the ranks' plans are disjoint and have equally many batches.
        world_size: processes that train together.
        pool: batches per pool.

    Returns:
        Row indices per batch: over all ranks, every row exactly once.

    Raises:
        ValueError: too few rows to give every process the same number of batches.
    """
    rows = len(lengths)
    total = steps_per_epoch(rows, batch_size, world_size)
    if rows < total * world_size:
        raise ValueError(
            f"{rows} training rows cannot feed {world_size} processes; lower devices or num_nodes"
        )
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(rows)
    batches: list[NDArray[np.int64]] = []
    for first in range(0, total, pool):
        last = min(first + pool, total)
        members = order[first * rows // total : last * rows // total]
        members = members[np.argsort(lengths[members], kind="stable")]
        batches.extend(np.split(members, _equal_shares(lengths[members], last - first, world_size)))
    # Sorted batches in sorted order would be a curriculum from short to long.
    turns = rng.permutation(total)
    return [batches[turn][rank::world_size] for turn in turns]


def budget_batches(
    lengths: NDArray[np.integer], *, max_tokens: int, max_rows: int
) -> list[NDArray[np.int64]]:
    """Group rows of similar length for evaluation, longest first so that memory peaks at the start.

    Args:
        lengths: tokens per row, shape [rows].
        max_tokens: padded tokens per batch; a single longer row still gets a batch of its own.
        max_rows: rows per batch.

    Returns:
        Row indices per batch, every row exactly once.
    """
    order = np.argsort(-lengths, kind="stable")
    batches: list[NDArray[np.int64]] = []
    begin = 0
    while begin < len(order):
        fitting = max(1, min(max_rows, max_tokens // int(lengths[order[begin]])))
        batches.append(order[begin : begin + fitting])
        begin += fitting
    return batches


def _equal_shares(sorted_lengths: NDArray[np.integer], parts: int, least: int) -> NDArray[np.int64]:
    """Where to cut rows into parts of equal token count, none with fewer than `least` rows; shape [parts - 1]."""
    tokens = np.cumsum(sorted_lengths)
    wanted = tokens[-1] * np.arange(1, parts) / parts
    needed = least * np.arange(1, parts)
    cuts = np.searchsorted(tokens, wanted, side="right")
    # Cuts lie `least` rows apart, and leave enough rows for the parts after them.
    cuts = np.maximum.accumulate(np.maximum(cuts - needed, 0)) + needed
    return np.minimum(cuts, len(sorted_lengths) - least * parts + needed)
