"""Abstention: a band of probabilities without an answer, and the precision that the answers outside it keep."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

_Floats = NDArray[np.float64]

_GOALS: Final = 3
"""Precisions that are tried: the target, then two with twice and four times its share of errors."""
_STEPS: Final = 25
"""Sets of answers that are tested per goal, from the smallest allowed one to all."""


@dataclass(frozen=True)
class Side:
    """Which calls of one class are answered, and what the answers keep."""

    end: float | None
    """The least certain probability with an answer; None: all are answered."""
    promise: float | None
    """Precision that the answers keep on new rows, with the confidence asked for; None: no row is called this class."""


def choose_answers(
    labels: NDArray[np.int8],
    probabilities: _Floats,
    *,
    threshold: float,
    target_precision: float,
    max_abstain: float,
    confidence: float,
) -> tuple[Side, Side]:
    """Find the answers of either class whose precision can be promised.

    The answers of a class are nested sets, the most certain first. Each set is tested by the lower Clopper-Pearson
    limit of its precision ("The use of confidence or fiducial limits", 1934), from the smallest set that
    `max_abstain` allows outwards, until one falls short of the goal: fixed-sequence testing, which needs no
    correction for the number of sets (Bauer et al., "Multiple testing for the detection of an efficient dose", 1998;
    Angelopoulos et al., "Learn then Test", 2021). If even the smallest set falls short of the target, the goal becomes
    twice the share of errors, then four times. If that fails too, every row of the class is answered, and the promise
    is the limit of all rows: a band that reaches no goal would only withhold answers.

    Args:
        labels: shape (n,), 1 for fake and 0 for real.
        probabilities: shape (n,), probability of fake, each a single-precision number.
        threshold: rows from here on are called fake; a single-precision number.
        target_precision: share of right answers that both classes should keep.
        max_abstain: most rows without an answer, as a share of the rows called this class.
        confidence: probability that both promises hold, over draws of the n rows.

    Returns:
        The sides real and fake.
    """
    called_fake = probabilities >= threshold
    # Bonferroni: half of the allowed risk for each class, divided among its goals and the limit of all its rows.
    alpha = (1 - confidence) / 2 / (_GOALS + 1)
    goals = [1 - (1 - target_precision) * 2**step for step in range(_GOALS)]
    real, fake = (
        _answer(certainty[rows], labels[rows] == label, goals, max_abstain, alpha)
        for certainty, rows, label in ((-probabilities, ~called_fake, 0), (probabilities, called_fake, 1))
    )
    return Side(None if real.end is None else -real.end, real.promise), fake


def band(real: Side, fake: Side, threshold: float) -> tuple[float, float]:
    """Lower and upper end of the band; rows strictly between them get no answer. Equal ends: every row gets one."""
    if real.end is None and fake.end is None:
        return threshold, threshold
    # A row at the threshold is called fake, so the answers real end just below it.
    just_below = float(np.nextafter(np.float32(threshold), np.float32(0)))
    return just_below if real.end is None else real.end, threshold if fake.end is None else fake.end


def _answer(
    certainty: _Floats, right: NDArray[np.bool_], goals: list[float], max_abstain: float, alpha: float
) -> Side:
    rows = certainty.size
    if rows == 0:
        return Side(None, None)
    order = np.argsort(-certainty, kind="stable")
    certainty, right_so_far = certainty[order], np.cumsum(right[order], dtype=np.int64)
    wanted = np.linspace(max(1, np.ceil((1 - max_abstain) * rows)), rows, _STEPS).round().astype(int)
    # Equal forecasts stay together. The sets do not depend on the labels.
    sizes = np.unique(np.searchsorted(-certainty, -certainty[wanted - 1], side="right"))
    limits = precision_limit(right_so_far[sizes - 1], sizes, alpha)
    for goal in goals:
        passed = int(np.argmin(np.append(limits >= goal, False)))
        if passed:
            answered = sizes[passed - 1]
            return Side(None if answered == rows else float(certainty[answered - 1]), goal)
    return Side(None, float(limits[-1]))


def precision_limit(right: NDArray[np.int64], rows: NDArray[np.int64], alpha: float) -> _Floats:
    """The lower Clopper-Pearson limit, exceeded by chance with probability `alpha` at most, of `right` of `rows`."""
    limit = beta.ppf(alpha, right, rows - right + 1)
    return np.where(right == 0, 0.0, limit)
