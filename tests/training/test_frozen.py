"""A frozen encoder: only its head is fitted."""

from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from fakenews_assets.models.classifier import OnePassEmbedder
from fakenews_assets.models.encoders import load_encoder
from fakenews_assets.models.predictions import articles_of
from fakenews_assets.models.runtimes.loading import load_classifier, reads_text
from fakenews_assets.models.settings import EncoderSpec
from fakenews_assets.training.frozen import fit_frozen
from fakenews_assets.training.settings import FrozenSettings
from tests.support.models import separable_articles

TRAIN = separable_articles(120, with_text=True)


@pytest.fixture
def frozen(tiny_bert: Path, tmp_path: Path) -> Path:
    spec = EncoderSpec(name=str(tiny_bert), max_tokens=64)
    fit_frozen(TRAIN, FrozenSettings(encoder=spec, max_tokens=48), tmp_path / "frozen")
    return tmp_path / "frozen"


def test_it_predicts_with_logistic_regression_on_mean_pooled_states(frozen: Path) -> None:
    classifier, articles = load_classifier(frozen), articles_of(TRAIN)
    assert isinstance(classifier, OnePassEmbedder)

    predictions, embeddings = classifier.predict_and_embed(articles)

    np.testing.assert_allclose(embeddings, load_classifier(frozen / "encoder").embed(articles), atol=1e-6)  # pyright: ignore[reportAttributeAccessIssue]
    expected = LogisticRegression(C=10, max_iter=1000).fit(
        embeddings.astype(float), TRAIN["label"].to_numpy()
    )
    np.testing.assert_allclose(
        predictions.probability, expit(expected.decision_function(embeddings)), atol=1e-3
    )
    np.testing.assert_array_equal(classifier.predict(articles).probability, predictions.probability)
    assert (len(classifier.predict([])), classifier.embed([]).shape) == (0, (0, 0))
    assert reads_text(frozen)


def test_the_encoder_stays_as_it_was(tiny_bert: Path, frozen: Path) -> None:
    before, after = (
        load_encoder(folder).base_model.state_dict() for folder in (tiny_bert, frozen / "encoder")
    )
    assert all((before[name] == after[name]).all() for name in before)
