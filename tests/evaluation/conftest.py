from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from fakenews_assets.data.schema import ARTICLE_SCHEMA, article_id
from fakenews_assets.models.classifier import Article, Predictions
from fakenews_assets.models.settings import EncoderSpec
from tests.support.models import build_tiny_bert

MakeSplit = Callable[..., pl.DataFrame]


class LookupClassifier:
    """Answers from a table of titles, and remembers the sizes of the requests."""

    def __init__(self, by_title: dict[str, float], threshold: float = 0.5) -> None:
        self._by_title = by_title
        self._threshold = threshold
        self.batches: list[int] = []

    @property
    def name(self) -> str:
        return "lookup"

    def predict(self, articles: Sequence[Article]) -> Predictions:
        self.batches.append(len(articles))
        scores = np.array([self._by_title[article.title] for article in articles])
        return Predictions.from_probability(scores, self._threshold)


@pytest.fixture
def make_split() -> MakeSplit:
    """Make a labelled test split with unique titles of 3 to 22 words, three sources and half a year."""

    def make(rows: int = 300, *, fake_share: float = 0.5, seed: int = 0) -> pl.DataFrame:
        generator = np.random.default_rng(seed)
        lengths = generator.integers(2, 22, rows)
        titles = [f"title{index} " + " ".join(["word"] * length) for index, length in enumerate(lengths)]
        texts = ["a body" if chance < 0.4 else "" for chance in generator.random(rows)]
        days = generator.integers(0, 180, rows)
        return pl.DataFrame(
            {
                "article_id": [article_id(title, text) for title, text in zip(titles, texts, strict=True)],
                "title": titles,
                "text": texts,
                "label": (generator.random(rows) < fake_share).astype(np.int8),
                "source": generator.choice(["large", "middle", "small"], rows, p=[0.7, 0.28, 0.02]).tolist(),
                "group": [None] * rows,
                "published_at": [datetime(2017, 1, 1, tzinfo=UTC) + timedelta(days=int(day)) for day in days],
                "batch": ["one"] * rows,
                "cluster_id": [f"cluster{index // 2}" for index in range(rows)],
            },
            schema={**ARTICLE_SCHEMA, "cluster_id": pl.String},
        )

    return make


@pytest.fixture
def classify() -> Callable[..., LookupClassifier]:
    """Make a classifier for a split: right in nine cases of ten, with scores of every size."""

    def make(split: pl.DataFrame, *, threshold: float = 0.5, seed: int = 1) -> LookupClassifier:
        generator = np.random.default_rng(seed)
        says_fake = (split["label"].to_numpy() == 1) ^ (generator.random(split.height) < 0.1)
        certainty = generator.uniform(0.55, 0.99, split.height)
        scores = np.where(says_fake, certainty, 1 - certainty)
        return LookupClassifier(dict(zip(split["title"], scores.tolist(), strict=True)), threshold)

    return make


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    np.savez(folder / "weights.npz", coefficients=np.zeros((3, 5), np.float32), index=np.arange(7))
    (folder / "config.json").write_text("{}")
    return folder


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> EncoderSpec:
    """An untrained encoder of two layers."""
    return EncoderSpec(name=str(build_tiny_bert(tmp_path_factory.mktemp("encoder") / "tiny")), max_tokens=64)
