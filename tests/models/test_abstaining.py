import numpy as np
import pytest
from scipy.stats import binom

from fakenews_assets.models.abstaining import Side, band, choose_answers, precision_limit


def _sides(
    right_real: list[bool],
    right_fake: list[bool],
    *,
    target: float,
    max_abstain: float = 0.5,
    confidence: float = 0.95,
) -> tuple[Side, Side]:
    """Choose from rows of either call, the most certain first, with forecasts that all differ."""
    real = np.linspace(0.01, 0.49, len(right_real)).astype(np.float32)
    fake = np.linspace(0.99, 0.51, len(right_fake)).astype(np.float32)
    labels = np.array([not right for right in right_real] + right_fake, dtype=np.int8)
    return choose_answers(
        labels,
        np.concatenate([real, fake]).astype(np.float64),
        threshold=0.5,
        target_precision=target,
        max_abstain=max_abstain,
        confidence=confidence,
    )


@pytest.mark.parametrize(("right", "rows"), [(0, 5), (3, 5), (98, 100), (100, 100)])
def test_the_limit_is_where_so_many_right_answers_become_improbable(right: int, rows: int):
    (limit,) = precision_limit(np.array([right]), np.array([rows]), 0.05)

    if right == 0:
        assert limit == 0
    else:
        assert binom.sf(right - 1, rows, limit) == pytest.approx(0.05)


def test_answers_end_where_the_errors_begin():
    sure, unsure = [True] * 400, [True, False] * 100
    real, fake = _sides(sure + unsure, sure, target=0.95)

    assert fake == Side(None, 0.95)
    assert real.promise == 0.95
    assert real.end is not None
    answered = np.sum(np.linspace(0.01, 0.49, 600).astype(np.float32) <= real.end)
    assert 400 <= answered < 450


def test_a_hole_that_the_limit_sees_ends_the_answers_for_good():
    # After 100 wrong ones, right ones would lift the precision above the goal again.
    right = [True] * 500 + [False] * 100 + [True] * 400
    _, fake = _sides([True], right, target=0.8, max_abstain=0.5)

    assert fake.end is not None
    assert np.sum(np.linspace(0.99, 0.51, 1000).astype(np.float32) >= fake.end) <= 620


def test_a_lower_goal_is_promised_where_the_target_is_out_of_reach():
    generator = np.random.default_rng(0)
    right = list(generator.random(1000) < np.linspace(0.98, 0.9, 1000))
    _, fake = _sides([True], right, target=0.98)

    assert fake.promise == pytest.approx(0.92)


def test_where_no_goal_is_kept_everything_is_answered():
    right = [True, False] * 200
    _, fake = _sides([True], right, target=0.98)

    assert fake.end is None
    assert fake.promise is not None
    assert 0.4 < fake.promise < 0.5


def test_at_least_the_allowed_share_is_answered():
    right = [True] * 300 + [False] * 700
    assert _sides([True], right, target=0.9, max_abstain=0.5)[1].end is None
    assert _sides([True], right, target=0.9, max_abstain=0.8)[1].promise == 0.9


def test_equal_forecasts_stay_together():
    forecasts = np.repeat([0.9, 0.7], 300)
    labels = np.repeat([1, 1, 0], [300, 150, 150]).astype(np.int8)
    order = np.random.default_rng(0).permutation(600)
    _, fake = choose_answers(
        labels[order],
        forecasts[order],
        threshold=0.5,
        target_precision=0.95,
        max_abstain=0.5,
        confidence=0.95,
    )

    assert fake == Side(0.9, 0.95)


def test_a_class_that_is_never_called_promises_nothing():
    assert _sides([], [True] * 10, target=0.9)[0] == Side(None, None)


def test_the_band_lies_between_the_answers():
    just_below = float(np.nextafter(np.float32(0.5), np.float32(0)))

    assert band(Side(None, 0.9), Side(None, None), 0.5) == (0.5, 0.5)
    assert band(Side(0.3, 0.9), Side(0.6, 0.9), 0.5) == (0.3, 0.6)
    assert band(Side(None, 0.9), Side(0.6, 0.9), 0.5) == (just_below, 0.6)
    assert band(Side(0.3, 0.9), Side(None, 0.9), 0.5) == (0.3, 0.5)


@pytest.mark.parametrize("separation", [1.3, 1.9])
def test_promises_hold_in_new_rows_as_often_as_they_say(separation: float):
    """In 95 of 100 draws or more both promises hold. The band before this one: in 20 to 23."""
    generator = np.random.default_rng(0)

    def draw(rows: int) -> tuple[np.ndarray, np.ndarray]:
        labels = generator.random(rows) < 0.45
        odds = 2 * separation * generator.normal(np.where(labels, separation, -separation))
        return labels, (1 / (1 + np.exp(-odds))).astype(np.float32).astype(np.float64)

    everyone, forecasts = draw(200_000)
    held = []
    for _ in range(100):
        labels, probabilities = draw(1000)
        real, fake = choose_answers(
            labels.astype(np.int8),
            probabilities,
            threshold=0.5,
            target_precision=0.98,
            max_abstain=0.5,
            confidence=0.95,
        )
        low, high = band(real, fake, 0.5)
        assert real.promise is not None
        assert fake.promise is not None
        held.append(
            everyone[forecasts >= high].mean() >= fake.promise
            and 1 - everyone[(forecasts <= low) & (forecasts < 0.5)].mean() >= real.promise
        )
    assert np.mean(held) >= 0.95
