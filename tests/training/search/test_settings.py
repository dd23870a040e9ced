"""What a search can be asked for."""

import pytest
from pydantic import ValidationError

from fakenews_assets.models.settings import EncoderSpec
from fakenews_assets.training.search.settings import SearchSettings
from fakenews_assets.training.settings import FinetuneSettings

ALL_BOUNDS = ("learning_rate", "batch_size", "max_tokens", "warmup", "dropout")


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
        {"max_tokens": [4, 128]},
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


def test_lengths_are_those_that_the_encoder_can_read() -> None:
    short = FinetuneSettings(encoder=EncoderSpec(max_tokens=128), max_tokens=64)
    titles = FinetuneSettings(inputs="title")

    assert SearchSettings().choices == {"batch_size": [16, 32, 64], "max_tokens": [128, 256]}
    assert SearchSettings(base=short, batch_size=None).choices == {"max_tokens": [128]}
    assert SearchSettings(base=titles, batch_size=None).choices == {}
