"""Which rows share a batch."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fakenews_assets.models.batching import budget_batches, plan_epoch, steps_per_epoch

LENGTHS = np.random.default_rng(0).integers(5, 60, 1000)


@given(
    lengths=st.lists(st.integers(1, 300), min_size=1, max_size=200),
    batch_size=st.integers(1, 40),
    pool=st.integers(1, 8),
    seed=st.integers(0, 5),
)
def test_every_row_once_in_exactly_the_planned_number_of_batches(
    lengths: list[int], batch_size: int, pool: int, seed: int
) -> None:
    plan = plan_epoch(np.array(lengths), batch_size, seed=seed, epoch=0, pool=pool)

    assert sorted(np.concatenate(plan)) == list(range(len(lengths)))
    assert len(plan) == steps_per_epoch(len(lengths), batch_size) == -(-len(lengths) // batch_size)
    assert all(len(batch) for batch in plan)


def test_same_seed_and_epoch_same_plan_otherwise_another() -> None:
    def flat(seed: int, epoch: int) -> list[int]:
        return np.concatenate(plan_epoch(LENGTHS, 32, seed=seed, epoch=epoch)).tolist()

    assert flat(0, 0) == flat(0, 0)
    assert flat(0, 0) != flat(0, 1)
    assert flat(0, 0) != flat(1, 0)


def test_pads_less_than_random_batches() -> None:
    order = np.random.default_rng(1).permutation(len(LENGTHS))
    random_batches = np.array_split(order, steps_per_epoch(len(LENGTHS), 32))

    def padding_share(batches: list[NDArray[np.int64]]) -> float:
        return 1 - LENGTHS.sum() / sum(int(LENGTHS[batch].max()) * len(batch) for batch in batches)

    assert padding_share(random_batches) > 0.3
    assert padding_share(plan_epoch(LENGTHS, 32, seed=0, epoch=0)) < 0.06


def test_batches_cost_about_the_same_and_are_not_ordered_by_length() -> None:
    plan = plan_epoch(LENGTHS, 32, seed=0, epoch=0)

    padded = np.array([LENGTHS[batch].max() * len(batch) for batch in plan])
    assert np.quantile(padded, 0.9) < 1.15 * np.median(padded)
    assert padded.max() < 1.5 * np.median(padded)  # the shortest rows differ most, by ratio
    longest = [LENGTHS[batch].max() for batch in plan]
    assert longest != sorted(longest)
    assert longest != sorted(longest, reverse=True)


def test_ranks_share_out_the_rows_evenly() -> None:
    plans = [plan_epoch(LENGTHS, 16, seed=0, epoch=3, rank=rank, world_size=3) for rank in range(3)]

    assert {len(plan) for plan in plans} == {steps_per_epoch(len(LENGTHS), 16, world_size=3)}
    rows = np.concatenate([np.concatenate(plan) for plan in plans])
    assert sorted(rows) == list(range(len(LENGTHS)))


@given(
    lengths=st.lists(st.integers(1, 300), min_size=1, max_size=200),
    batch_size=st.integers(1, 12),
    world_size=st.integers(2, 4),
)
def test_ranks_together_are_one_process_with_larger_batches(
    lengths: list[int], batch_size: int, world_size: int
) -> None:
    array = np.array(lengths)
    assume(len(array) >= world_size * steps_per_epoch(len(array), batch_size, world_size))
    plans = [
        plan_epoch(array, batch_size, seed=0, epoch=1, rank=rank, world_size=world_size, pool=3)
        for rank in range(world_size)
    ]
    alone = plan_epoch(array, batch_size * world_size, seed=0, epoch=1, pool=3)

    assert all(len(share) for plan in plans for share in plan)
    assert len({len(plan) for plan in plans}) == 1
    # The cuts may differ where a batch of few long rows would leave a process without any.
    if all(len(batch) >= world_size for batch in alone):
        for together, whole in zip(zip(*plans, strict=True), alone, strict=True):
            assert sorted(np.concatenate(together)) == sorted(whole)


def test_too_few_rows_for_the_processes() -> None:
    with pytest.raises(ValueError, match="lower devices or num_nodes"):
        plan_epoch(LENGTHS[:5], 1, seed=0, epoch=0, world_size=4)


@given(
    lengths=st.lists(st.integers(1, 300), max_size=100),
    max_tokens=st.integers(1, 600),
    max_rows=st.integers(1, 20),
)
def test_budget_batches_keep_both_limits(lengths: list[int], max_tokens: int, max_rows: int) -> None:
    array = np.array(lengths, dtype=np.int64)
    batches = budget_batches(array, max_tokens=max_tokens, max_rows=max_rows)

    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) <= max_rows
        assert len(batch) == 1 or len(batch) * array[batch].max() <= max_tokens
