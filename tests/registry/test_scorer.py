from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from fakenews_assets.data.schema import article_id
from fakenews_assets.data.text.preparation import TextPreparation
from fakenews_assets.models.calibration import CalibratedClassifier
from fakenews_assets.models.classifier import Article
from fakenews_assets.registry import bundle as registry
from fakenews_assets.registry import scorer as module
from fakenews_assets.registry.bundle import BundleDamaged, BundleOutdated
from fakenews_assets.registry.scorer import Scorer
from tests.support.champions import CALIBRATION, make_champion


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    models = tmp_path_factory.mktemp("models")
    return Scorer.open(models / make_champion(models))


def test_articles_are_prepared_as_the_training_rows_were(scorer: Scorer):
    written = [Article("BREAKING: Senate passes budget - CNN", "WASHINGTON (Reuters) - the bank says")]
    prepared = [Article("Senate passes budget", "the bank says")]
    scores = scorer.score(written)

    assert scores.article_ids == [article_id("Senate passes budget", "the bank says")]
    np.testing.assert_array_equal(
        scores.predictions.probability, scorer.classifier.predict(prepared).probability
    )
    assert scorer.score(prepared).article_ids == scores.article_ids


def test_answers_are_calibrated(scorer: Scorer):
    assert isinstance(scorer.classifier, CalibratedClassifier)
    articles = [Article(f"the {word} {row}") for row, word in enumerate(["hoax", "bank", "senate"] * 20)]
    found = scorer.score(articles).predictions
    raw = scorer.classifier.inner.predict(articles).probability.astype(np.float64)
    expected = 1 / (1 + np.exp(-np.log(raw / (1 - raw)) / CALIBRATION.temperature))
    np.testing.assert_allclose(found.probability, expected, atol=1e-6)
    inside = (found.probability > CALIBRATION.abstain_low) & (found.probability < CALIBRATION.abstain_high)
    np.testing.assert_array_equal(found.abstained, inside)


def test_nothing_asked_nothing_answered(scorer: Scorer):
    scores = scorer.score([])
    assert len(scores.predictions) == 0
    assert scores.article_ids == []


def test_a_damaged_bundle_is_not_opened(tmp_path: Path):
    sha = make_champion(tmp_path)
    (tmp_path / sha / "prepare.json").write_text("{}")
    with pytest.raises(BundleDamaged, match=r"prepare\.json"):
        Scorer.open(tmp_path / sha)


def test_a_bundle_of_another_version_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    class Later(TextPreparation):
        version: Literal[3] = 3  # pyright: ignore[reportIncompatibleVariableOverride]

    sha = make_champion(tmp_path)
    monkeypatch.setattr(module, "TextPreparation", Later)
    with pytest.raises(BundleOutdated, match="Train and select again"):
        Scorer.open(tmp_path / sha)


def test_a_bundle_that_lacks_what_this_version_needs_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    sha = make_champion(tmp_path)
    monkeypatch.setattr(registry, "REQUIRED_FILES", (*registry.REQUIRED_FILES, "later.json"))
    with pytest.raises(BundleOutdated, match=r"lacks later\.json\. Select again"):
        Scorer.open(tmp_path / sha)
