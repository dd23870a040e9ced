"""Calibration: temperature, decision threshold and abstention band."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator
from scipy.special import expit, logit

from fakenews_assets.models.classifier import (
    Article,
    Classifier,
    Embedder,
    NoEmbedding,
    OnePassEmbedder,
    Predictions,
)
from fakenews_assets.models.out_of_distribution import OodDetector
from fakenews_assets.models.runtimes.loading import load_classifier

CALIBRATION_FILE: Final = "calibration.json"

_CLIP = 1e-7
_TEMPERATURES = (0.05, 20.0)
_ONE_STANDARD_ERROR = 0.6827
"""Level of the interval that reaches one standard error to either side."""


class CalibrationSettings(BaseModel):
    """Settings of the calibration."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    target_precision: float | None = Field(
        default=0.98,
        gt=0,
        le=1,
        description="Target precision of each class's answers on new rows. None: never abstain.",
    )
    max_abstain: float = Field(
        default=0.5,
        ge=0,
        lt=1,
        description="Largest share of the rows called real, and of those called fake, on which the classifier may abstain.",
    )
    confidence: float = Field(
        default=0.95,
        gt=0,
        lt=1,
        description="Probability that the promised precisions hold on new rows like the validation rows.",
    )
    resamples: int = Field(
        default=500, ge=100, description="Bootstrap samples behind the threshold's standard error."
    )
    seed: int = Field(default=0, description="Seed of the bootstrap.")


class Calibration(BaseModel):
    """A fitted calibration, and what it promises of new rows that are like the validation rows."""

    model_config = ConfigDict(frozen=True)

    temperature: float = Field(
        gt=0, description="Divides the log odds; above 1 the model was over-confident."
    )
    threshold: float = Field(ge=0, le=1, description="Decision threshold on the calibrated P(fake).")
    abstain_low: float = Field(ge=0, le=1, description="Lower end of the abstention band (exclusive).")
    abstain_high: float = Field(
        ge=0, le=1, description="Upper end of the abstention band (exclusive); equal ends: never abstain."
    )
    target_precision: float | None = Field(description="The target precision; None: never abstain.")
    answered_share: float = Field(ge=0, le=1, description="Share of the validation rows with an answer.")
    confidence: float | None = Field(
        description="Probability that both promises hold; None: nothing is promised."
    )
    promised_real: float | None = Field(
        description="Least precision of the answers real; None: nothing is promised."
    )
    promised_fake: float | None = Field(
        description="Least precision of the answers fake; None: nothing is promised."
    )
    rows: int = Field(ge=0, description="Validation rows; 0 where nothing was fitted.")

    @model_validator(mode="after")
    def _band_holds_the_threshold(self) -> Self:
        if not self.abstain_low <= self.threshold <= self.abstain_high:
            raise ValueError(
                f"The threshold {self.threshold:g} lies outside the band from {self.abstain_low:g} to"
                f" {self.abstain_high:g}; fit the calibration again."
            )
        return self

    @classmethod
    def identity(cls) -> Self:
        """Leave probabilities as they are, decide at 0.5 and always answer."""
        return cls(
            temperature=1,
            threshold=0.5,
            abstain_low=0.5,
            abstain_high=0.5,
            target_precision=None,
            answered_share=1,
            confidence=None,
            promised_real=None,
            promised_fake=None,
            rows=0,
        )

    @property
    def short_of_target(self) -> tuple[str, ...]:
        """Classes for which less than the target is promised."""
        target = self.target_precision
        if target is None:
            return ()
        promised = {"real": self.promised_real, "fake": self.promised_fake}
        return tuple(name for name, value in promised.items() if value is None or value < target)


def fit_calibration(
    labels: ArrayLike, probabilities: ArrayLike, settings: CalibrationSettings
) -> Calibration:
    """Fit on validation rows, never on test rows.

    The temperature minimises the log loss (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017)
    against Platt's smoothed labels (N+1)/(N+2) and 1/(N+2), N rows of the class ("Probabilistic Outputs for
    Support Vector Machines", 1999): a validation split without an error would otherwise ask for certainty.

    The threshold stays at 0.5 unless another gains more macro-F1 than one bootstrap standard error, the rule
    of Breiman et al. ("Classification and Regression Trees", 1984): the best of many thresholds always looks
    a little better than 0.5 on the rows that it was chosen on.

    Args:
        labels: shape (n,), 1 for fake and 0 for real.
        probabilities: shape (n,), the model's own probability of fake.
        settings: target precision and limits.

    Raises:
        ValueError: one class only, or see `Metrics.of`.
    """
    # These bring scikit-learn and scipy.stats, which applying a calibration does not need.
    from fakenews_assets.models.abstaining import Side, band, choose_answers
    from fakenews_assets.models.metrics import validated

    actual, forecast = validated(labels, probabilities)
    if np.unique(actual).size < 2:
        raise ValueError("Calibration needs validation rows of both classes; ingest more labelled articles.")
    temperature = _fit_temperature(actual, forecast)
    calibrated = _scale(forecast, temperature)
    threshold = _fit_threshold(actual, calibrated, settings)
    real = fake = Side(None, None)
    if settings.target_precision is not None:
        real, fake = choose_answers(
            actual,
            calibrated,
            threshold=threshold,
            target_precision=settings.target_precision,
            max_abstain=settings.max_abstain,
            confidence=settings.confidence,
        )
    low, high = band(real, fake, threshold)
    return Calibration(
        temperature=temperature,
        threshold=threshold,
        abstain_low=low,
        abstain_high=high,
        target_precision=settings.target_precision,
        answered_share=float(((calibrated <= low) | (calibrated >= high)).mean()),
        confidence=None if settings.target_precision is None else settings.confidence,
        promised_real=real.promise,
        promised_fake=fake.promise,
        rows=actual.size,
    )


def apply_calibration(
    calibration: Calibration, probabilities: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.int8], NDArray[np.bool_]]:
    """Turn a model's probabilities of fake, shape (n,), into calibrated ones, labels and abstentions.

    The order of the rows' probabilities never changes. Every calibrated probability is a single-precision
    number, so that storing it as one cannot move it across the threshold.
    """
    calibrated = _scale(np.asarray(probabilities, dtype=np.float64), calibration.temperature)
    label = (calibrated >= calibration.threshold).astype(np.int8)
    return calibrated, label, inside_band(calibration, calibrated)


def undo_temperature(calibration: Calibration, calibrated: ArrayLike) -> NDArray[np.float64]:
    """Invert the temperature: the model's own probabilities, except for rounding and clipping."""
    return _scale(np.asarray(calibrated, dtype=np.float64), 1 / calibration.temperature)


def inside_band(calibration: Calibration, calibrated: ArrayLike) -> NDArray[np.bool_]:
    """Which calibrated probabilities lie in the abstention band."""
    forecast = np.asarray(calibrated, dtype=np.float64)
    return (forecast > calibration.abstain_low) & (forecast < calibration.abstain_high)


class CalibratedClassifier:
    """A classifier with calibration, abstention and out-of-distribution detection, as it is served.

    It has the name of the inner classifier.
    """

    def __init__(
        self, inner: Classifier, calibration: Calibration, ood_detector: OodDetector | None = None
    ) -> None:
        self.inner = inner
        self.calibration = calibration
        self.ood_detector = ood_detector

    @classmethod
    def load(cls, model: Path, evaluation: Path, name: str | None = None) -> Self:
        """Load a model with its calibration and out-of-distribution detector.

        Args:
            model: its folder.
            evaluation: folder with its `calibration.json` and, unless it has none, its out-of-distribution detector.
            name: the candidate's.
        """
        return cls(load_classifier(model, name), read_calibration(evaluation), OodDetector.load(evaluation))

    @property
    def name(self) -> str:
        return self.inner.name

    def predict(self, articles: Sequence[Article]) -> Predictions:
        """Predict articles. Rows on which the inner classifier abstains stay abstained."""
        raw, ood_score = self._judged(articles)
        probability, label, uncertain = apply_calibration(self.calibration, raw.probability)
        out_of_distribution = raw.out_of_distribution | (ood_score > 1)
        return Predictions(
            probability=probability.astype(np.float32),
            predicted_label=label,
            abstained=uncertain | out_of_distribution | raw.abstained,
            out_of_distribution=out_of_distribution,
            truncated=raw.truncated,
        )

    def ood_score(self, articles: Sequence[Article]) -> NDArray[np.float64]:
        """Out-of-distribution scores, as `OodDetector` gives them; 0 without a detector."""
        return self._judged(articles)[1]

    def embed(self, articles: Sequence[Article]) -> NDArray[np.float32]:
        """Embeddings of the classifier inside, as `Embedder` says; calibration does not touch them."""
        if not isinstance(self.inner, Embedder):
            raise NoEmbedding(f"{self.name} is of a kind that has no embedding.")
        return self.inner.embed(articles)

    def _judged(self, articles: Sequence[Article]) -> tuple[Predictions, NDArray[np.float64]]:
        if self.ood_detector is None:
            return self.inner.predict(articles), np.zeros(len(articles))
        if not self.ood_detector.needs_embedding:
            return self.inner.predict(articles), self.ood_detector.ood_score(articles)
        if not isinstance(self.inner, OnePassEmbedder):
            raise NoEmbedding(f"{self.name} has no embedding, which its out-of-distribution detector needs.")
        raw, embeddings = self.inner.predict_and_embed(articles)
        return raw, self.ood_detector.ood_score(articles, embeddings)


def write_calibration(calibration: Calibration, folder: Path) -> None:
    """Write `calibration.json`."""
    (folder / CALIBRATION_FILE).write_text(calibration.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_calibration(folder: Path) -> Calibration:
    """Read what `write_calibration` wrote.

    Raises:
        FileNotFoundError: the folder holds no calibration.
        pydantic.ValidationError: the file is not a calibration.
    """
    file = folder / CALIBRATION_FILE
    if not file.is_file():
        raise FileNotFoundError(
            f"No {CALIBRATION_FILE} in {folder}; fit a calibration on the validation split."
        )
    return Calibration.model_validate_json(file.read_bytes())


def _scale(forecast: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    # A temperature of 1 must change nothing, not even forecasts beyond the clip.
    if temperature != 1:
        forecast = expit(logit(np.clip(forecast, _CLIP, 1 - _CLIP)) / temperature)
    return forecast.astype(np.float32).astype(np.float64)


def _fit_temperature(actual: NDArray[np.int8], forecast: NDArray[np.float64]) -> float:
    from scipy.optimize import minimize_scalar

    odds = logit(np.clip(forecast, _CLIP, 1 - _CLIP))
    fakes = int(actual.sum())
    target = np.where(actual == 1, (fakes + 1) / (fakes + 2), 1 / (actual.size - fakes + 2))

    def loss(log_temperature: float) -> float:
        scaled = odds / np.exp(log_temperature)
        # log(1 + exp(z)) - t z is the log loss of sigmoid(z) against the target t.
        return float(np.mean(np.logaddexp(0, scaled) - target * scaled))

    found: Any = minimize_scalar(loss, bounds=np.log(_TEMPERATURES), method="bounded")
    return float(np.exp(found.x))


def _fit_threshold(
    actual: NDArray[np.int8], calibrated: NDArray[np.float64], settings: CalibrationSettings
) -> float:
    from fakenews_assets.models.bootstrap import bootstrap_intervals

    candidates = np.union1d(calibrated, [0.5])
    scores = _macro_f1(actual, calibrated, candidates)
    default = float(scores[np.searchsorted(candidates, 0.5)])
    best = candidates[scores == scores.max()]
    nearest = float(best[np.argmin(np.abs(best - 0.5))])
    spread = bootstrap_intervals(
        actual,
        calibrated,
        metrics=("macro_f1",),
        resamples=settings.resamples,
        level=_ONE_STANDARD_ERROR,
        seed=settings.seed,
    )["macro_f1"]
    if spread is None or scores.max() - default <= (spread.high - spread.low) / 2:
        return 0.5
    return nearest


def _macro_f1(
    actual: NDArray[np.int8], forecast: NDArray[np.float64], thresholds: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Macro-F1 at each threshold; both classes must be present."""
    order = np.argsort(forecast)
    fakes_before = np.append(0, np.cumsum(actual[order], dtype=np.int64))
    called_real = np.searchsorted(forecast[order], thresholds)
    missed = fakes_before[called_real]
    fakes, called_fake = fakes_before[-1], actual.size - called_real
    # F1 is twice the hits over (articles of the class + articles called the class).
    f1_fake = 2 * (fakes - missed) / (fakes + called_fake)
    f1_real = 2 * (called_real - missed) / (actual.size - fakes + called_real)
    return (f1_fake + f1_real) / 2
