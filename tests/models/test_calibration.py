from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError
from scipy.special import expit, logit

from fakenews_assets.models.calibration import (
    CalibratedClassifier,
    Calibration,
    apply_calibration,
    read_calibration,
    undo_temperature,
    write_calibration,
)
from fakenews_assets.models.calibration_fit import CalibrationSettings, fit_calibration
from fakenews_assets.models.classifier import Article, NoEmbedding, Predictions
from fakenews_assets.models.metrics import Metrics

ALWAYS_ANSWER = CalibrationSettings(target_precision=None, resamples=200)


def _simulate(
    rows: int = 4000, *, temperature: float = 1.0, bias: float = 0.0, seed: int = 0, spread: float = 4.0
) -> tuple[NDArray[np.int_], NDArray[np.float64]]:
    """Draw labels from their true probability, and report log odds that are off by a factor and a shift."""
    generator = np.random.default_rng(seed)
    odds = generator.normal(0, spread, rows)
    return (generator.random(rows) < expit(odds)).astype(int), expit(odds * temperature + bias)


@pytest.mark.parametrize("known", [0.5, 1.0, 2.5])
def test_the_temperature_is_recovered(known: float):
    labels, scores = _simulate(20_000, temperature=known, spread=2.0)
    calibration = fit_calibration(labels, scores, ALWAYS_ANSWER)

    assert calibration.temperature == pytest.approx(known, rel=0.05)
    calibrated, _, _ = apply_calibration(calibration, scores)
    assert Metrics.of(labels, calibrated).ece < 0.02
    assert Metrics.of(labels, calibrated).log_loss <= Metrics.of(labels, scores).log_loss + 1e-4


def test_a_split_without_an_error_does_not_ask_for_certainty():
    labels = np.arange(40) % 2
    calibration = fit_calibration(labels, np.where(labels == 1, 0.8, 0.2), ALWAYS_ANSWER)

    calibrated, _, _ = apply_calibration(calibration, [0.8])
    assert calibrated[0] == pytest.approx(21 / 22, abs=0.001)


def test_calibration_never_changes_the_ranking():
    labels, scores = _simulate(temperature=2.0, bias=1.0)
    scores = np.append(scores, [0.0, 1.0, 1e-9])
    calibration = fit_calibration([*labels, 0, 1, 0], scores, CalibrationSettings(resamples=100))
    calibrated, label, _ = apply_calibration(calibration, scores)

    assert calibration.temperature != 1
    order = np.argsort(scores)
    assert (np.diff(calibrated[order]) >= 0).all()
    assert (np.diff(label[order]) >= 0).all()
    assert ((calibrated >= 0) & (calibrated <= 1)).all()


def test_the_threshold_stays_where_another_is_hardly_better():
    for seed in range(10):
        assert fit_calibration(*_simulate(1000, seed=seed), ALWAYS_ANSWER).threshold == 0.5


def test_the_threshold_moves_when_the_forecasts_lean_to_one_side():
    labels, scores = _simulate(bias=3.0)
    calibration = fit_calibration(labels, scores, ALWAYS_ANSWER)
    fresh_labels, fresh = _simulate(bias=3.0, seed=1)
    calibrated, label, _ = apply_calibration(calibration, fresh)

    assert calibration.threshold > 0.6
    moved = Metrics.of(fresh_labels, calibrated, calibration.threshold)
    assert (moved.macro_f1 or 0) > (Metrics.of(fresh_labels, fresh).macro_f1 or 1) + 0.03
    assert (label == (calibrated >= calibration.threshold)).all()


@pytest.mark.parametrize("bias", [0.0, 3.0])
def test_the_answers_keep_the_promise_on_new_rows(bias: float):
    settings = CalibrationSettings(target_precision=0.95, resamples=200)
    calibration = fit_calibration(*_simulate(temperature=1.5, bias=bias), settings)
    labels, scores = _simulate(100_000, temperature=1.5, bias=bias, seed=1)
    calibrated, label, abstained = apply_calibration(calibration, scores)

    everyone = Metrics.of(labels, calibrated, calibration.threshold)
    assert max(everyone.real.precision or 1, everyone.fake.precision or 1) < 0.95
    answered = Metrics.of(labels[~abstained], calibrated[~abstained], calibration.threshold)
    assert min(answered.real.precision or 0, answered.fake.precision or 0) >= 0.95
    assert (calibration.promised_real, calibration.promised_fake) == (0.95, 0.95)
    assert calibration.short_of_target == ()
    assert calibration.answered_share == pytest.approx(1 - abstained.mean(), abs=0.03)
    assert (label[abstained] == (calibrated[abstained] >= calibration.threshold)).all()


def test_where_no_band_keeps_a_goal_everything_is_answered_and_less_is_promised():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, 2000)
    scores = np.clip(labels * 0.1 + generator.uniform(0, 0.9, 2000), 0.01, 0.99)  # hardly tells them apart
    calibration = fit_calibration(labels, scores, CalibrationSettings(target_precision=0.999))

    assert calibration.short_of_target == ("real", "fake")
    assert calibration.target_precision == 0.999
    assert calibration.abstain_low == calibration.threshold == calibration.abstain_high
    called_fake = scores >= calibration.threshold
    assert 0.4 < (calibration.promised_fake or 0) < labels[called_fake].mean()
    assert 0.4 < (calibration.promised_real or 0) < 1 - labels[~called_fake].mean()


def test_without_a_target_every_row_is_answered():
    labels, scores = _simulate(500)
    calibration = fit_calibration(labels, scores, ALWAYS_ANSWER)

    assert calibration.abstain_low == calibration.threshold == calibration.abstain_high
    assert not apply_calibration(calibration, scores)[2].any()
    assert (calibration.answered_share, calibration.rows, calibration.short_of_target) == (1, 500, ())


def test_the_identity_changes_nothing():
    scores = np.array([0.0, 1e-12, 0.3, 0.5, 0.7, 1.0], dtype=np.float32)
    calibrated, label, abstained = apply_calibration(Calibration.identity(), scores)

    assert (calibrated == scores).all()
    assert label.tolist() == [0, 0, 0, 1, 1, 1]
    assert not abstained.any()


def test_undoing_the_temperature_gives_the_forecasts_back():
    calibration = Calibration.identity().model_copy(update={"temperature": 1.7})
    scores = np.linspace(0.001, 0.999, 50)

    calibrated, _, _ = apply_calibration(calibration, scores)
    assert logit(calibrated) == pytest.approx(logit(scores) / 1.7, abs=1e-4)
    assert undo_temperature(calibration, calibrated) == pytest.approx(scores, abs=1e-5)


class FixedClassifier:
    """Gives the same forecasts whatever is asked, and declines the last article."""

    name = "fixed"

    def __init__(self, scores: Sequence[float]) -> None:
        self._scores = np.array(scores, dtype=np.float32)

    def predict(self, articles: Sequence[Article]) -> Predictions:
        plain = Predictions.from_probability(self._scores[: len(articles)])
        declined = np.arange(len(articles)) == len(self._scores) - 1
        return Predictions(plain.probability, plain.predicted_label, declined, plain.out_of_distribution)


def test_a_calibrated_classifier_answers_as_the_calibration_says():
    calibration = Calibration.identity().model_copy(
        update={"temperature": 2.0, "threshold": 0.6, "abstain_low": 0.4, "abstain_high": 0.7}
    )
    scores = [0.1, 0.5, 0.6, 0.7, 0.9, 0.95]
    classifier = CalibratedClassifier(FixedClassifier(scores), calibration)
    answers = classifier.predict([Article("")] * 6)

    calibrated, label, abstained = apply_calibration(calibration, np.array(scores, dtype=np.float32))
    assert classifier.name == "fixed"
    assert answers.probability.dtype == np.float32
    assert (answers.probability == calibrated).all()  # single precision holds them exactly
    assert answers.predicted_label.tolist() == label.tolist() == [0, 0, 0, 1, 1, 1]
    assert abstained.tolist() == [False, True, True, True, False, False]
    assert answers.abstained.tolist() == [False, True, True, True, False, True]
    assert len(classifier.predict([])) == 0


class EmbeddingClassifier(FixedClassifier):
    def embed(self, articles: Sequence[Article]) -> NDArray[np.float32]:
        return np.array([[len(article.title)] for article in articles], dtype=np.float32)


def test_embeddings_are_those_of_the_classifier_inside():
    articles = [Article("ab"), Article("a")]
    embedder = CalibratedClassifier(EmbeddingClassifier([0.1]), Calibration.identity())
    assert embedder.embed(articles).tolist() == [[2], [1]]
    with pytest.raises(NoEmbedding, match="fixed"):
        CalibratedClassifier(FixedClassifier([0.1]), Calibration.identity()).embed(articles)


def test_the_file_can_be_read_back(tmp_path: Path):
    calibration = fit_calibration(*_simulate(300), CalibrationSettings(resamples=100))
    write_calibration(calibration, tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["calibration.json"]
    assert read_calibration(tmp_path) == calibration
    with pytest.raises(FileNotFoundError, match="fit a calibration"):
        read_calibration(tmp_path / "missing")


def test_unusable_input_is_refused():
    with pytest.raises(ValueError, match="both classes"):
        fit_calibration([1, 1], [0.5, 0.6], ALWAYS_ANSWER)
    with pytest.raises(ValueError, match="between 0 and 1"):
        fit_calibration([0, 1], [0.5, float("nan")], ALWAYS_ANSWER)
    with pytest.raises(ValidationError, match="outside the band"):
        Calibration.model_validate({**Calibration.identity().model_dump(), "threshold": 0.8})
    with pytest.raises(ValidationError, match="target_precison"):
        CalibrationSettings.model_validate({"target_precison": 0.9})
