"""Fits a calibration on the validation split.

It needs scikit-learn and scipy.stats, which applying a calibration does not.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.optimize import minimize_scalar
from scipy.special import logit

from fakenews_assets.models.abstaining import Side, band, choose_answers
from fakenews_assets.models.bootstrap import bootstrap_intervals
from fakenews_assets.models.calibration import CLIP, Calibration, scale
from fakenews_assets.models.metrics import validated

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
    actual, forecast = validated(labels, probabilities)
    if np.unique(actual).size < 2:
        raise ValueError("Calibration needs validation rows of both classes; ingest more labelled articles.")
    temperature = _fit_temperature(actual, forecast)
    calibrated = scale(forecast, temperature)
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


def _fit_temperature(actual: NDArray[np.int8], forecast: NDArray[np.float64]) -> float:
    odds = logit(np.clip(forecast, CLIP, 1 - CLIP))
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
