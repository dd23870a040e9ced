"""Reliability bins and expected calibration error."""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict

DEFAULT_BINS: Final = 15


class ReliabilityBin(BaseModel):
    """Articles of similar forecast."""

    model_config = ConfigDict(frozen=True)

    rows: int
    lowest: float
    highest: float
    mean_probability: float
    fake_share: float


def reliability_bins(
    labels: ArrayLike, probabilities: ArrayLike, bins: int = DEFAULT_BINS
) -> tuple[ReliabilityBin, ...]:
    """Group articles into bins of about equal numbers of rows (equal mass), by forecast.

    A bin border falls between two different forecasts, never among equal ones, so the result does not
    depend on the order of the rows; where many forecasts are equal there are fewer bins than asked for.

    Args:
        labels: shape (n,), 1 for fake and 0 for real.
        probabilities: shape (n,), forecast probability of fake.
        bins: the most bins to form.

    Returns:
        The non-empty bins, from low to high forecasts.
    """
    actual = np.asarray(labels, dtype=np.float64)
    forecast = np.asarray(probabilities, dtype=np.float64)
    borders = np.unique(np.quantile(forecast, np.linspace(0, 1, bins + 1)[1:-1], method="higher"))
    membership = np.searchsorted(borders, forecast, side="right")
    found = []
    for index in np.unique(membership):
        inside = membership == index
        found.append(
            ReliabilityBin(
                rows=int(inside.sum()),
                lowest=float(forecast[inside].min()),
                highest=float(forecast[inside].max()),
                mean_probability=float(forecast[inside].mean()),
                fake_share=float(actual[inside].mean()),
            )
        )
    return tuple(found)


def expected_calibration_error(bins: tuple[ReliabilityBin, ...]) -> float:
    """Mean distance between forecast and observed share over the bins, weighted by their rows.

    The measure is that of Naeini, Cooper and Hauskrecht, "Obtaining Well Calibrated Probabilities Using
    Bayesian Binning" (AAAI 2015), who also sort the forecasts and cut them into bins; Guo et al., "On
    Calibration of Modern Neural Networks" (ICML 2017), use bins of equal width and the confidence of the
    predicted class. Here the bins have equal mass, because the forecasts of a fine-tuned encoder crowd
    at 0 and 1 and would leave most bins of equal width nearly empty, and the forecast is that of one
    class (fake), because the service reports that probability.

    Chance alone keeps it above 0: a perfectly calibrated forecaster whose forecasts spread evenly scores
    about 0.3 * sqrt(bins / rows). Compare candidates on the same rows only.
    """
    rows = sum(one.rows for one in bins)
    return sum(one.rows * abs(one.fake_share - one.mean_probability) for one in bins) / rows
