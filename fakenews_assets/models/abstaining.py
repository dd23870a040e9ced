"""Abstention: the narrowest band of probabilities whose exclusion reaches a target precision."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float64]
_Counts = NDArray[np.intp]


def narrowest_band(
    labels: NDArray[np.int8],
    probabilities: _Floats,
    *,
    threshold: float,
    target_precision: float,
    max_abstain: float,
) -> tuple[float, float]:
    """Find the band around the threshold in which the classifier abstains.

    Each side ends at the first observed forecast from which outwards the answers reach the target. Where that
    is impossible, or would leave more than `max_abstain` of the rows without an answer, the goal is lowered
    for both sides to the highest precision that fits; what is left of the allowance then goes to whichever
    side can still use it.

    Args:
        labels: shape (n,), 1 for fake and 0 for real.
        probabilities: shape (n,), probability of fake, each a single-precision number.
        threshold: rows from here on are called fake; a single-precision number.
        target_precision: share of right answers that both sides should reach.
        max_abstain: most rows without an answer, as a share of n.

    Returns:
        Lower and upper end; rows strictly between them get no answer. Equal ends: every row gets one.
    """
    called_fake = probabilities >= threshold
    fake = _Side.of(probabilities[called_fake], labels[called_fake] == 1)
    real = _Side.of(-probabilities[~called_fake], labels[~called_fake] == 0)

    reached = np.concatenate([fake.reached, real.reached])
    goals = np.unique(np.append(reached[reached < target_precision], target_precision))[::-1]
    allowance = max_abstain * labels.size
    affordable = fake.cost(goals) + real.cost(goals) <= allowance
    # The lowest goal is met by answering everything, so one is always affordable.
    goal = float(goals[np.argmax(affordable)])
    fake_end = fake.best(target_precision, allowance - float(real.cost(goal)))
    real_end = real.best(target_precision, allowance - float(fake.abstained(fake_end)))

    if fake_end == real_end == 0:
        return threshold, threshold
    # A row at the threshold is called fake, so the real side ends just below it.
    just_below = float(np.nextafter(np.float32(threshold), np.float32(0)))
    high = float(fake.forecasts[fake_end]) if fake_end else threshold
    low = float(-real.forecasts[real_end]) if real_end else just_below
    return low, high


@dataclass(frozen=True)
class _Side:
    """One decision's rows, from the least to the most certain; one entry per distinct forecast."""

    forecasts: _Floats
    before: _Counts
    """Rows that are less certain: abstained from if answers start here."""
    reached: _Floats
    """Highest precision of the answers that start here or earlier."""

    @classmethod
    def of(cls, certainty: _Floats, right: NDArray[np.bool_]) -> "_Side":
        order = np.argsort(certainty, kind="stable")
        forecasts, before = np.unique(certainty[order], return_index=True)
        right_from = np.cumsum(right[order][::-1])[::-1]
        precision = right_from[before] / (certainty.size - before)
        return cls(forecasts, before, np.maximum.accumulate(precision))

    def cost(self, goals: _Floats | float) -> _Floats:
        """Rows to abstain from for each goal; infinite where out of reach, 0 where there is no row."""
        if self.forecasts.size == 0:
            return np.zeros(np.shape(goals))
        return np.append(self.before, np.inf)[np.searchsorted(self.reached, goals)]

    def best(self, target: float, allowance: float) -> int:
        """Entry that comes closest to the target with at most that many rows abstained from."""
        if self.forecasts.size == 0:
            return 0
        last = int(np.searchsorted(self.before, allowance, side="right")) - 1
        return int(np.searchsorted(self.reached, min(target, float(self.reached[last]))))

    def abstained(self, entry: int) -> int:
        return int(self.before[entry]) if entry else 0
