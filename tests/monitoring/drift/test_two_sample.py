"""Effect sizes agree with their libraries; chance is what it says; a shift is found."""

import numpy as np
import pytest
from scipy.stats import wasserstein_distance
from sklearn.metrics import roc_auc_score

from fakenews_assets.monitoring.drift.two_sample import column_distances, domain_separation

_CHANCE = {"permutations": 199, "level": 0.05, "seed": 0}


def normal(rows: int, columns: int, seed: int, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1, (rows, columns))


def test_distances_are_scipys_over_the_references_spread() -> None:
    reference, window = normal(300, 3, 1) * [1, 5, 0.1], normal(200, 3, 2, shift=0.3) * [1, 5, 0.1]
    reference[:, 2], window[:, 2] = reference[:, 2].round(1), window[:, 2].round(1)  # many ties
    found = column_distances(reference, window, **_CHANCE)
    for column in range(3):
        expected = wasserstein_distance(reference[:, column], window[:, column]) / reference[:, column].std()
        assert found.values[column] == pytest.approx(expected, rel=1e-9)


def test_a_constant_column_has_not_moved() -> None:
    found = column_distances(np.ones((50, 1)), np.ones((30, 1)), **_CHANCE)
    assert found.values[0] == 0
    assert found.values[0] <= found.chance[0]


def test_the_columns_together_raise_no_more_false_alarms_than_the_level() -> None:
    alarms = 0
    for seed in range(100):
        reference, window = normal(200, 6, 2 * seed), normal(100, 6, 2 * seed + 1)
        found = column_distances(reference, window, permutations=199, level=0.1, seed=seed)
        alarms += bool((found.values > found.chance).any())
    # 100 draws of a chance of 0.1: more than 19 happen once in 300 times; six single tests would give 47.
    assert 1 <= alarms <= 19


def test_a_shift_in_one_column_is_found_in_that_column() -> None:
    reference, window = normal(400, 4, 1), normal(200, 4, 2)
    window[:, 2] += 0.6
    found = column_distances(reference, window, **_CHANCE)
    assert (found.values > found.chance).tolist() == [False, False, True, False]


def test_chance_does_not_depend_on_how_the_work_is_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    reference, window = normal(100, 2, 1), normal(60, 2, 2)
    whole = column_distances(reference, window, **_CHANCE)
    monkeypatch.setattr("fakenews_assets.monitoring.drift.two_sample._CELLS_AT_ONCE", 500)
    parts = column_distances(reference, window, **_CHANCE)
    np.testing.assert_allclose(parts.chance, whole.chance)


def test_the_area_is_scikit_learns_of_the_scores() -> None:
    reference, window = normal(300, 20, 1).astype(np.float32), normal(200, 20, 2, 0.2).astype(np.float32)
    found = domain_separation(reference, window, **_CHANCE)
    labels = [0] * 300 + [1] * 200
    assert found.auc == pytest.approx(roc_auc_score(labels, found.scores), abs=1e-6)
    assert found.auc > max(found.chance, 0.6)


def test_the_classifier_is_no_better_than_chance_where_nothing_differs() -> None:
    found = [
        domain_separation(
            normal(300, 64, 2 * seed).astype(np.float32),
            normal(150, 64, 2 * seed + 1).astype(np.float32),
            permutations=199,
            level=0.1,
            seed=seed,
        )
        for seed in range(40)
    ]
    assert np.mean([one.auc for one in found]) == pytest.approx(0.5, abs=0.02)
    assert sum(one.auc > one.chance for one in found) <= 10  # 4 are expected


def test_more_dimensions_than_rows_are_no_obstacle() -> None:
    reference = normal(60, 200, 1).astype(np.float32)
    window = normal(40, 200, 2, 0.5).astype(np.float32)
    found = domain_separation(reference, window, **_CHANCE)
    assert found.auc > found.chance


def test_equal_seeds_give_equal_answers() -> None:
    reference, window = normal(100, 5, 1).astype(np.float32), normal(80, 5, 2).astype(np.float32)
    first, second = (domain_separation(reference, window, **_CHANCE) for _ in range(2))
    assert (first.auc, first.chance) == (second.auc, second.chance)
