"""A tiny teacher that has learnt its lesson, shared by the compression tests."""

from pathlib import Path

import polars as pl
import pytest

from fakenews_assets.models.settings import EncoderSpec
from fakenews_assets.training.finetuning.finetuning import finetune
from fakenews_assets.training.settings import FinetuneSettings
from tests.support.models import build_tiny_bert, separable_articles
from tests.support.shared import build_once


@pytest.fixture(scope="session")
def train() -> pl.DataFrame:
    return separable_articles(300, seed=1, with_text=True)


@pytest.fixture(scope="session")
def val() -> pl.DataFrame:
    return separable_articles(80, seed=2, with_text=True)


@pytest.fixture(scope="session")
def teacher(tmp_path_factory: pytest.TempPathFactory, train: pl.DataFrame, val: pl.DataFrame) -> Path:
    def teach(folder: Path) -> None:
        settings = FinetuneSettings(
            encoder=EncoderSpec(name=str(build_tiny_bert(folder / "tiny")), max_tokens=64),
            inputs="title_and_text",
            max_tokens=48,
            epochs=12,
            evaluations_per_epoch=1,
            patience=99,
            learning_rate=6e-3,
            precision="fp32",
        )
        finetune(train, val, settings, folder / "model", folder / "work")

    return build_once(tmp_path_factory, "teacher", teach) / "model"
