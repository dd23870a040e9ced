"""Selective prediction: risk against coverage."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field

COVERAGES: Final = (1.0, 0.95, 0.9, 0.8, 0.7, 0.5)
"""Shares of answered articles that are reported."""


@dataclass(frozen=True)
class RiskCoverageCurve:
    """Error rate among the answered articles against their share, most confident answers first.

    El-Yaniv and Wiener, "On the Foundations of Noise-free Selective Classification", JMLR 2010.
    """

    coverage: NDArray[np.float64]
    """1/n, 2/n, ..., 1."""
    risk: NDArray[np.float64]
    """Share of wrong answers among so many of the surest, shape [n]."""

    @classmethod
    def of(cls, labels: ArrayLike, probabilities: ArrayLike, threshold: float) -> Self:
        """Order the answers by the probability of their label.

        Equally confident answers each count with their mean error, so that their order does not matter.

        Args:
            labels: shape [n], 1 for fake and 0 for real; at least one.
            probabilities: shape [n], of fake.
            threshold: decision threshold on P(fake).
        """
        actual, forecast = np.asarray(labels), np.asarray(probabilities, dtype=np.float64)
        called_fake = forecast >= threshold
        wrong = (called_fake != (actual == 1)).astype(np.float64)
        _, group = np.unique(-np.where(called_fake, forecast, 1 - forecast), return_inverse=True)
        rows = np.bincount(group)
        spread = np.repeat(np.bincount(group, weights=wrong) / rows, rows)
        answered = np.arange(1, wrong.size + 1)
        return cls(answered / wrong.size, np.cumsum(spread) / answered)

    def at(self, coverage: float) -> float:
        """Risk of the smallest set of the surest answers that is at least this share of all."""
        return float(self.risk[max(int(np.ceil(coverage * self.risk.size - 1e-9)), 1) - 1])


class RiskCoverage(BaseModel):
    """Summary of the curve."""

    model_config = ConfigDict(frozen=True)

    aurc: float = Field(
        description="Area under the curve: the risk, averaged over all shares. Lower is better."
        " Geifman and El-Yaniv, NeurIPS 2017."
    )
    lowest_aurc: float = Field(
        description="The area under the curve of a perfect ranking: every wrong answer less confident than every right one."
    )
    risks: dict[float, float] = Field(description="Share of wrong answers by share of answered articles.")

    @classmethod
    def of(cls, labels: ArrayLike, probabilities: ArrayLike, threshold: float) -> Self:
        """Measure; arguments as of `RiskCoverageCurve.of`."""
        curve = RiskCoverageCurve.of(labels, probabilities, threshold)
        rows = curve.risk.size
        right = rows - round(float(curve.risk[-1]) * rows)
        best = np.maximum(np.arange(1, rows + 1) - right, 0) / np.arange(1, rows + 1)
        return cls(
            aurc=float(curve.risk.mean()),
            lowest_aurc=float(best.mean()),
            risks={share: curve.at(share) for share in COVERAGES},
        )
