"""A cascade answers by the linear model where that is sure, and its loss against the ensemble is bounded."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.special import logit

from fakenews_assets.ensembling.cascade import choose_margin, make_cascade
from fakenews_assets.ensembling.ensemble import make_ensemble
from fakenews_assets.models.calibration import CalibratedClassifier, Calibration
from fakenews_assets.models.classifier import Article, OnePassEmbedder, Predictions
from fakenews_assets.models.predictions import articles_of
from fakenews_assets.models.runtimes.cascade import CascadeClassifier, Deferral
from fakenews_assets.models.runtimes.ensemble import EnsembleClassifier
from fakenews_assets.models.runtimes.linear import fit_baseline
from fakenews_assets.models.runtimes.loading import load_classifier
from fakenews_assets.models.settings import BaselineSettings
from tests.support.models import separable_articles

VAL = separable_articles(300, seed=2, with_text=True)


@pytest.fixture(scope="module")
def ensemble(tiny_classifier: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cascade")
    fit_baseline(separable_articles(200, seed=1), BaselineSettings(inputs="title")).save(folder / "baseline")
    make_ensemble(tiny_classifier, folder / "baseline", VAL, 0.5, folder / "ensemble")
    return folder / "ensemble"


def loaded(folder: Path, margin: float | None) -> CascadeClassifier:
    Deferral.read(folder).model_copy(update={"margin": margin}).write(folder)
    cascade = load_classifier(folder, "cascade-finetuned")
    assert isinstance(cascade, CascadeClassifier)
    return cascade


def test_the_encoder_is_asked_only_for_what_the_linear_model_is_not_sure_of(
    ensemble: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_cascade(ensemble, VAL, tmp_path / "cascade", max_loss=0.02, confidence=0.95)
    assert made.deferral == Deferral.read(tmp_path / "cascade")
    assert made.deferral.margin is not None  # the linear model is always right here
    assert made.lost == 0 < made.loss_limit <= 0.02
    assert made.fewest_articles == 183  # 0.98 ** 183 is 0.025, for each of articles and headlines
    articles = [*articles_of(VAL)[:20], Article("A word that nobody knows"), *articles_of(VAL)[20:40]]
    both = load_classifier(ensemble)
    assert isinstance(both, EnsembleClassifier)
    first = made.deferral.log_odds(both.linear.log_odds(articles))
    margin = float(np.median(np.abs(first)))
    cascade = loaded(tmp_path / "cascade", margin)
    asked: list[Article] = []
    predict = cascade.ensemble.encoder.predict
    monkeypatch.setattr(cascade.ensemble.encoder, "predict", lambda rows: asked.extend(rows) or predict(rows))

    found = cascade.predict(articles)

    deferred = np.abs(first) < margin
    assert found.deferred is not None
    np.testing.assert_array_equal(found.deferred, deferred)
    assert 0 < deferred.sum() < len(articles)
    assert asked == [one for one, left in zip(articles, deferred, strict=True) if left]
    odds = logit(found.probability.astype(float))
    np.testing.assert_allclose(odds[~deferred], first[~deferred], atol=1e-3)
    expected = both.predict(articles).probability
    np.testing.assert_allclose(found.probability[deferred], expected[deferred], atol=1e-5)


def test_a_few_texts_among_headlines_are_no_reason_to_defer_all(ensemble: Path, tmp_path: Path) -> None:
    few = VAL.with_columns(text=pl.when(pl.int_range(pl.len()) < 20).then("text").otherwise(pl.lit("")))
    made = make_cascade(ensemble, few, tmp_path / "cascade", max_loss=0.02, confidence=0.95)
    assert made.deferral.margin is not None


def test_without_a_margin_a_cascade_is_its_ensemble(ensemble: Path, tmp_path: Path) -> None:
    make_cascade(ensemble, VAL, tmp_path / "cascade", max_loss=0.02, confidence=0.95)
    cascade, both = loaded(tmp_path / "cascade", None), load_classifier(ensemble)
    articles = articles_of(VAL)[:30]
    found = cascade.predict(articles)
    np.testing.assert_allclose(found.probability, both.predict(articles).probability, atol=1e-5)
    assert found.deferred is not None
    assert found.deferred.all()
    assert len(cascade.predict([])) == 0
    # Its embedding would ask the encoder for every article, so that no prediction may need it.
    assert not isinstance(cascade, OnePassEmbedder)
    assert cascade.embed(articles).shape == (30, 32)


def test_what_was_deferred_goes_with_the_calibrated_answers(ensemble: Path, tmp_path: Path) -> None:
    make_cascade(ensemble, VAL, tmp_path / "cascade", max_loss=0.02, confidence=0.95)
    cascade = loaded(tmp_path / "cascade", None)
    found = CalibratedClassifier(cascade, Calibration.identity()).predict(articles_of(VAL)[:4])
    joined = Predictions.joined([found.part(slice(0, 1)), found.part(slice(1, 4))])
    assert joined.deferred is not None
    assert joined.deferred.tolist() == [True] * 4
    assert Predictions.joined([found, both_of(ensemble)]).deferred is None  # a hot swap in between


def both_of(ensemble: Path) -> Predictions:
    return load_classifier(ensemble).predict(articles_of(VAL)[:1])


def test_too_few_articles_bound_nothing() -> None:
    # Three of a hundred is the least that none of a hundred can prove.
    odds, labels = np.linspace(-4, 4, 100), np.repeat([0, 1], 50).astype(np.int8)
    assert choose_margin(odds, odds, labels, max_loss=0.02, alpha=0.05) is None
    assert choose_margin(odds, odds, labels, max_loss=0.04, alpha=0.05) == np.abs(odds).min()


def test_sure_mistakes_of_the_first_stage_stop_the_search() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 2_000).astype(np.int8)
    truth = np.where(labels == 1, 1.0, -1.0)
    second = truth * rng.uniform(0.1, 1, 2_000)
    first = truth * rng.uniform(0, 1, 2_000)
    surest = np.abs(first).argsort()[-60:]
    first[surest] *= -1
    stopped = choose_margin(first, second, labels, max_loss=0.005, alpha=0.05)
    assert stopped is not None
    assert (np.abs(first) >= stopped).sum() < 10
    second[surest] *= -1  # where the second stage is as wrong, nothing is lost
    assert choose_margin(first, second, labels, max_loss=0.005, alpha=0.05) == pytest.approx(0, abs=0.01)


def test_the_loss_on_new_articles_is_within_the_bound_as_often_as_promised() -> None:
    """Simulated: a first stage that is wrong more often the less sure it is."""
    rng = np.random.default_rng(1)

    def draw(rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        labels = rng.integers(0, 2, rows).astype(np.int8)
        sureness = rng.exponential(1.5, rows)
        right = rng.random(rows) < 1 / (1 + np.exp(-1.2 - 2 * sureness))
        sign = np.where((labels == 1) == right, 1, -1)
        second = np.where((labels == 1) == (rng.random(rows) < 0.97), 1.0, -1.0)
        return sign * sureness, second, labels

    first, second, labels = draw(400_000)
    kept = answered = 0
    for _ in range(300):
        margin = choose_margin(*draw(2_000), max_loss=0.01, alpha=0.05)
        assert margin is not None
        alone = np.abs(first) >= margin
        lost = alone & ((first >= 0) != (labels == 1)) & ((second >= 0) == (labels == 1))
        kept += lost.mean() <= 0.01
        answered += alone.mean()
    assert kept / 300 >= 0.95
    assert answered / 300 > 0.3  # the bound is not kept by deferring everything
