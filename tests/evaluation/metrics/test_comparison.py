import numpy as np
import pytest

from fakenews_assets.evaluation.metrics.comparison import mcnemar, paired_bootstrap
from fakenews_assets.models.metrics import Metrics

Decisions = tuple[np.ndarray, np.ndarray, np.ndarray]


def _simulate(rows: int, first: float, second: float, seed: int = 0) -> Decisions:
    """Labels, and the decisions of two candidates that are right independently, at these rates."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, rows)
    one, other = (np.where(generator.random(rows) < rate, labels, 1 - labels) for rate in (first, second))
    return labels, one, other


def test_mcnemar_counts_and_tests_the_rows_that_differ():
    labels = np.array([1] * 20)
    first = np.array([1] * 9 + [0] * 1 + [1] * 5 + [0] * 5)
    second = np.array([0] * 9 + [1] * 1 + [1] * 5 + [0] * 5)

    result = mcnemar(labels, first, second)

    assert (result.only_first_right, result.only_second_right) == (9, 1)
    assert result.p_value == pytest.approx(2 * (1 + 10) / 2**10)  # both tails of Binomial(10, 1/2)
    swapped = mcnemar(labels, second, first)
    assert (swapped.only_first_right, swapped.only_second_right) == (1, 9)
    assert swapped.p_value == result.p_value


def test_mcnemar_of_equal_decisions_is_certain_of_nothing():
    assert mcnemar([0, 1], [0, 0], [0, 0]).p_value == 1


def test_the_difference_is_that_of_macro_f1_and_turns_its_sign():
    labels, first, second = _simulate(800, 0.85, 0.93)
    scores = [Metrics.of(labels, decisions).macro_f1 for decisions in (first, second)]
    assert scores[0] is not None
    assert scores[1] is not None

    forth, back = paired_bootstrap(labels, first, second), paired_bootstrap(labels, second, first)

    assert forth.difference == pytest.approx(scores[1] - scores[0])
    assert forth.low < forth.difference < forth.high
    assert (back.difference, back.low, back.high) == pytest.approx(
        (-forth.difference, -forth.high, -forth.low)
    )
    assert forth.significantly_better
    assert not forth.significantly_worse
    assert back.significantly_worse
    assert not back.significantly_better


def test_a_difference_by_chance_is_not_significant():
    wrong = [paired_bootstrap(*_simulate(300, 0.9, 0.9, seed), resamples=300) for seed in range(40)]

    assert sum(one.significantly_worse or one.significantly_better for one in wrong) <= 6


def test_pairing_sees_what_separate_intervals_would_not():
    labels, first, _ = _simulate(800, 0.8, 0.8)
    second = first.copy()
    second[np.flatnonzero(first != labels)[:12]] ^= 1  # right wherever the first is, and on 12 rows more

    paired = paired_bootstrap(labels, first, second)

    assert paired.significantly_better
    assert paired.high - paired.low < 0.02


def test_copies_in_clusters_do_not_narrow_the_interval():
    labels, first, second = _simulate(200, 0.85, 0.9, seed=3)
    copied = np.repeat(labels, 9), np.repeat(first, 9), np.repeat(second, 9)

    honest = paired_bootstrap(labels, first, second)
    clustered = paired_bootstrap(*copied, clusters=np.repeat(np.arange(200), 9))
    rows = paired_bootstrap(*copied)

    assert clustered.difference == pytest.approx(honest.difference)
    assert clustered.high - clustered.low == pytest.approx(honest.high - honest.low, rel=0.15)
    assert rows.high - rows.low == pytest.approx((honest.high - honest.low) / 3, rel=0.15)


def test_a_seed_repeats_and_another_does_not():
    data = _simulate(300, 0.85, 0.9)
    assert paired_bootstrap(*data, seed=4) == paired_bootstrap(*data, seed=4)
    assert paired_bootstrap(*data, seed=4) != paired_bootstrap(*data, seed=5)


def test_unusable_input_is_refused():
    with pytest.raises(ValueError, match="predicted labels"):
        mcnemar([0, 1], [0.2, 0.8], [0, 1])
    with pytest.raises(ValueError, match="one length"):
        mcnemar([0, 1], [0, 1], [0])
    with pytest.raises(ValueError, match="0 of 40 rows"):
        paired_bootstrap([0] * 40, [0] * 40, [1] * 40)
    with pytest.raises(ValueError, match="1 of 40 rows"):
        paired_bootstrap([1] + [0] * 39, [0] * 40, [1] * 40)
    with pytest.raises(ValueError, match="cluster names"):
        paired_bootstrap([0, 1], [0, 1], [0, 1], clusters=["a"])
