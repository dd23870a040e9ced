"""What a search can be asked for."""

import pytest
from pydantic import ValidationError

from fakenews_assets.training.search.settings import SearchSettings

ALL_BOUNDS = ("learning_rate", "batch_size", "warmup", "dropout")


@pytest.mark.parametrize(
    "changes",
    [
        {"learning_rate": [1e-4, 1e-5]},
        {"learning_rate": [0.0, 1e-4]},
        {"dropout": [0.1]},
        {"dropout": [0.0, 1.0]},
        {"warmup": [-0.1, 0.5]},
        {"batch_size": []},
        {"batch_size": [0, 8]},
        dict.fromkeys(ALL_BOUNDS),
        {"trials": 0},
    ],
)
def test_bounds_without_sense_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SearchSettings.model_validate(changes)


def test_bounds_are_those_that_are_given() -> None:
    settings = SearchSettings(learning_rate=[1e-5, 1e-5], warmup=None, dropout=[0, 0.1])

    assert settings.bounds == {
        "learning_rate": [1e-5, 1e-5],
        "dropout": [0, 0.1],
    }
