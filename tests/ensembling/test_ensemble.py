"""An ensemble is the mean of its members' log odds, each on its own scale."""

from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import rankdata

from fakenews_assets.ensembling.ensemble import make_ensemble
from fakenews_assets.models.classifier import OnePassEmbedder
from fakenews_assets.models.metrics import Metrics
from fakenews_assets.models.predictions import articles_of
from fakenews_assets.models.runtimes.encoder import EncoderClassifier
from fakenews_assets.models.runtimes.ensemble import Combination
from fakenews_assets.models.runtimes.linear import fit_baseline
from fakenews_assets.models.runtimes.loading import load_classifier, reads_text, words_read
from fakenews_assets.models.settings import BaselineSettings
from tests.support.models import separable_articles

VAL = separable_articles(60, seed=2, with_text=True)


@pytest.fixture
def baseline(tmp_path: Path) -> Path:
    folder = tmp_path / "baseline"
    fit_baseline(separable_articles(200, seed=1), BaselineSettings(inputs="title")).save(folder)
    (folder / "tuning.json").write_text("[]")
    return folder


def encoder_of(folder: Path) -> EncoderClassifier:
    classifier = load_classifier(folder)
    assert isinstance(classifier, EncoderClassifier)
    return classifier


def test_members_count_by_weight_and_scale(tiny_classifier: Path, baseline: Path, tmp_path: Path) -> None:
    result = make_ensemble(tiny_classifier, baseline, VAL, 0.25, tmp_path / "ensemble")
    articles = articles_of(separable_articles(40, seed=3, with_text=True))

    found = load_classifier(tmp_path / "ensemble", "ensemble-finetuned")

    assert found.name == "ensemble-finetuned"
    scales, odds = [], []
    for member in (encoder_of(tiny_classifier), load_classifier(baseline)):
        on_val, asked = (member.predict(rows).probability for rows in (articles_of(VAL), articles))
        scales.append(np.sqrt(np.mean(logit(on_val.astype(float)) ** 2)))
        odds.append(logit(asked.astype(float)))
    expected = expit(0.75 * odds[0] / scales[0] + 0.25 * odds[1] / scales[1])
    np.testing.assert_allclose(found.predict(articles).probability, expected, atol=1e-4)
    assert result.combination == Combination.read(tmp_path / "ensemble")
    on_val = found.predict(articles_of(VAL)).probability
    assert result.ensemble_auc == pytest.approx(Metrics.of(VAL["label"], on_val).roc_auc, abs=1e-3)
    assert result.linear_auc == 1 > (result.encoder_auc or 0)
    assert -1 < result.correlation < 1


def test_an_ensemble_embeds_as_its_encoder_in_the_same_pass(
    tiny_classifier: Path, baseline: Path, tmp_path: Path
) -> None:
    make_ensemble(tiny_classifier, baseline, VAL, 0.5, tmp_path / "ensemble")
    found, encoder = load_classifier(tmp_path / "ensemble"), encoder_of(tiny_classifier)
    assert isinstance(found, OnePassEmbedder)

    predictions, embeddings = found.predict_and_embed(articles_of(VAL))

    np.testing.assert_allclose(embeddings, encoder.embed(articles_of(VAL)), atol=1e-5)
    np.testing.assert_array_equal(found.embed(articles_of(VAL)), encoder.embed(articles_of(VAL)))
    np.testing.assert_allclose(
        predictions.probability, found.predict(articles_of(VAL)).probability, atol=1e-5
    )
    nothing, nowhere = found.predict_and_embed([])
    assert (len(nothing), nowhere.shape, len(found.predict([]))) == (0, (0, 0), 0)


def test_a_saved_ensemble_holds_its_members_without_their_records(
    tiny_classifier: Path, baseline: Path, tmp_path: Path
) -> None:
    make_ensemble(tiny_classifier, baseline, VAL, 0.5, tmp_path / "ensemble")
    names = {path.name for path in (tmp_path / "ensemble").rglob("*") if path.is_file()}
    assert {"ensemble.json", "encoding.json", "baseline.json"} < names
    assert not names & {"training.json", "tuning.json"}
    assert reads_text(tmp_path / "ensemble")  # one of its members does
    assert not reads_text(baseline)
    assert words_read(tmp_path / "ensemble") == 300


def test_neither_a_confident_nor_a_timid_member_drowns_the_other() -> None:
    rng = np.random.default_rng(0)
    linear, timid = rng.normal(0, 2, 500), rng.normal(-0.3, 1e-4, 500)
    for other in (timid, 1000 * rng.normal(0, 2, 500)):
        combined = Combination.fit(other, linear, linear_weight=0.5).log_odds(other, linear)
        ranks = [rankdata(scores) for scores in (expit(combined), linear)]
        assert np.corrcoef(*ranks)[0, 1] > 0.6
