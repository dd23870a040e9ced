import numpy as np
import pytest

from fakenews_assets.models.abstaining import narrowest_band


def _band(
    rows: list[tuple[float, int]], *, target: float, max_abstain: float = 0.9, threshold: float = 0.5
) -> tuple[float, float, list[float]]:
    scores = np.array([score for score, _ in rows], dtype=np.float32).astype(np.float64)
    labels = np.array([label for _, label in rows], dtype=np.int8)
    low, high = narrowest_band(
        labels, scores, threshold=threshold, target_precision=target, max_abstain=max_abstain
    )
    silent = [round(float(score), 2) for score in scores if low < score < high]
    return low, high, silent


def test_each_side_ends_where_its_answers_reach_the_target():
    # Fake side, from 0.5 up: wrong, right, wrong, right, right. Real side, from 0.5 down: wrong, right, right.
    rows = [(0.52, 0), (0.6, 1), (0.7, 0), (0.8, 1), (0.9, 1), (0.4, 1), (0.3, 0), (0.1, 0)]

    assert _band(rows, target=1.0)[2] == [0.52, 0.6, 0.7, 0.4]
    assert _band(rows, target=0.75)[2] == [0.52, 0.4]
    assert _band(rows, target=0.6)[2] == []


def test_no_band_where_every_answer_is_right():
    low, high, _ = _band([(0.6, 1), (0.4, 0)], target=1.0)

    assert (low, high) == (0.5, 0.5)


def test_a_row_at_the_threshold_belongs_to_the_fake_side():
    rows = [(0.5, 0), (0.7, 1), (0.2, 0)]
    low, high, silent = _band(rows, target=1.0)

    assert silent == [0.5]
    assert low < 0.5 < high
    # The real side is in order and so gets no gap of its own.
    assert np.float32(low) == np.nextafter(np.float32(0.5), np.float32(0))


def test_only_the_real_side_has_a_gap():
    low, high, silent = _band([(0.8, 1), (0.45, 1), (0.3, 0)], target=1.0)

    assert (silent, high) == ([0.45], 0.5)
    assert low == pytest.approx(0.3)


def test_equal_forecasts_stay_together():
    rows = [(0.6, 0), (0.6, 1), (0.6, 1), (0.9, 1), (0.1, 0)]

    assert _band(rows, target=0.9)[2] == [0.6, 0.6, 0.6]


@pytest.mark.parametrize(("max_abstain", "silent"), [(0.0, []), (0.25, [0.55, 0.45]), (0.9, [0.55, 0.45])])
def test_the_goal_is_lowered_to_what_fits(max_abstain: float, silent: list[float]):
    # The most certain answer of either side is wrong, so no band reaches the target.
    rows = [(0.55, 0), (0.7, 1), (0.8, 1), (0.95, 0), (0.45, 1), (0.3, 0), (0.2, 0), (0.05, 1)]

    assert _band(rows, target=0.99, max_abstain=max_abstain)[2] == silent


@pytest.mark.parametrize("mirrored", [False, True])
def test_what_is_left_goes_to_the_side_that_can_use_it(mirrored: bool):
    # One side stays at 1 right of 2 whatever is left out; the other reaches its target for one row.
    rows = [(0.6, 0), (0.8, 1), (0.9, 1), (0.4, 0), (0.1, 1)]
    if mirrored:
        rows = [(1 - score, 1 - label) for score, label in rows]

    assert _band(rows, target=0.9, max_abstain=0.5)[2] == [0.4 if mirrored else 0.6]


def test_a_side_without_rows_costs_nothing():
    assert _band([(0.4, 1), (0.3, 0), (0.2, 0)], target=0.9)[2] == [0.4]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(("target", "max_abstain"), [(0.8, 1.0), (0.9, 0.3)])
def test_no_other_band_is_better(seed: int, target: float, max_abstain: float):
    generator = np.random.default_rng(seed)
    scores = generator.integers(1, 20, 40) / 20  # with ties
    labels = (generator.random(40) < scores).astype(np.int8)

    def judge(low: float, high: float) -> tuple[float, int]:
        """The worse of both precisions, as far as it counts, and minus the rows without an answer."""
        fake, real = labels[(scores >= 0.5) & (scores >= high)], labels[(scores < 0.5) & (scores <= low)]
        if (
            fake.size == 0
            or real.size == 0
            or scores.size - fake.size - real.size > max_abstain * scores.size
        ):
            return -1.0, 0
        return min(target, float(fake.mean()), 1 - float(real.mean())), fake.size + real.size

    low, high = narrowest_band(
        labels, scores, threshold=0.5, target_precision=target, max_abstain=max_abstain
    )
    ends = np.unique(scores)
    best = max(judge(one, other) for one in ends[ends < 0.5] for other in ends[ends >= 0.5])
    precision, answered = judge(low, high)
    assert precision == pytest.approx(best[0])
    if best[0] == target:
        assert answered == best[1]
