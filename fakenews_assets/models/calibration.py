"""Calibration: temperature, decision threshold and abstention band."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

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

CLIP: Final = 1e-7
"""Probabilities nearer to 0 or 1 count as this near, so that their log odds are finite."""


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


def apply_calibration(
    calibration: Calibration, probabilities: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.int8], NDArray[np.bool_]]:
    """Turn a model's probabilities of fake, shape (n,), into calibrated ones, labels and abstentions.

    The order of the rows' probabilities never changes. Every calibrated probability is a single-precision
    number, so that storing it as one cannot move it across the threshold.
    """
    calibrated = scale(np.asarray(probabilities, dtype=np.float64), calibration.temperature)
    label = (calibrated >= calibration.threshold).astype(np.int8)
    return calibrated, label, inside_band(calibration, calibrated)


def undo_temperature(calibration: Calibration, calibrated: ArrayLike) -> NDArray[np.float64]:
    """Invert the temperature: the model's own probabilities, except for rounding and clipping."""
    return scale(np.asarray(calibrated, dtype=np.float64), 1 / calibration.temperature)


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
            deferred=raw.deferred,
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


def scale(forecast: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Divide the log odds of probabilities by a temperature."""
    # A temperature of 1 must change nothing, not even forecasts beyond the clip.
    if temperature != 1:
        forecast = expit(logit(np.clip(forecast, CLIP, 1 - CLIP)) / temperature)
    return forecast.astype(np.float32).astype(np.float64)
