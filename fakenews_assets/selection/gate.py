"""The gate: whether a challenger replaces the champion."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from fakenews_assets.evaluation.metrics.comparison import (
    McNemar,
    PairedDifference,
    mcnemar,
    paired_bootstrap,
)
from fakenews_assets.models.bootstrap import Interval, macro_f1_of_counts
from fakenews_assets.selection.candidates import require_same_rows
from fakenews_assets.selection.settings import SelectionPolicy
from fakenews_assets.selection.timing import SpeedRatio


@dataclass(frozen=True)
class Contender:
    """Challenger, champion or earlier champion."""

    bundle: str
    """Sha of its bundle."""
    model: Mapping[str, str]
    """Sha256 of the files that decide its probabilities, by name."""
    answers: Mapping[str, str]
    """Sha256 of the files that decide its answers, by name."""
    predictions: pl.DataFrame
    """A table of `LABELLED_PREDICTION_SCHEMA`, on the same rows as those of the others."""


class Comparison(BaseModel):
    """The challenger's quality against that of another model."""

    model_config = ConfigDict(frozen=True)

    bundle: str = Field(description="Sha of the other model's bundle.")
    difference_points: float = Field(description="Points of macro-F1 that the challenger is above it.")
    interval: Interval = Field(description="Of the difference, in points, over test sets.")

    def __str__(self) -> str:
        return f"{self.difference_points:+.2f} points of macro-F1 ({self.interval.low:+.2f} to {self.interval.high:+.2f})"


class GateDecision(BaseModel):
    """The gate's decision with its evidence, which is None where nothing was compared."""

    model_config = ConfigDict(frozen=True)

    promote: bool
    reasons: tuple[str, ...]
    champion: Comparison | None = None
    anchor: Comparison | None = Field(
        default=None, description="With the best of the earlier champions; None: there is none."
    )
    mcnemar: McNemar | None = Field(default=None, description="First is the champion, second the challenger.")
    speed: SpeedRatio | None = Field(default=None, description="Of the challenger over the champion.")


def gate(
    challenger: Contender,
    champion: Contender | None,
    policy: SelectionPolicy,
    clusters: pl.Series | None = None,
    *,
    speed: SpeedRatio | None = None,
    earlier: Sequence[Contender] = (),
) -> GateDecision:
    """Decide between a challenger and the champion.

    The challenger is promoted if it is

    - not inferior: the paired intervals rule out that it loses more than `max_loss_points` to the champion, or to the
      best of the earlier champions, so that small losses cannot add up over many promotions; and
    - an improvement: significantly better (the paired interval lies above 0), or surely more than `faster_ratio` times
      as fast (the interval over turns lies above it), or the champion's own model with another calibration or other
      out-of-distribution limits: these are what somebody chose, and no score of labels shows what they are good for.

    What answers as the champion does, file by file, is never promoted over it.

    Args:
        challenger: the chosen candidate.
        champion: the current one; None: there is none, and the challenger is promoted.
        policy: the limits.
        clusters: near-duplicate cluster of each test row, in the order of the predictions; None draws rows.
        speed: of the challenger over the champion; None: not measured, hence no improvement.
        earlier: models that were champion before.

    Raises:
        ValueError: they were judged on different rows, or macro-F1 cannot be compared on these rows.
    """
    if champion is None:
        return GateDecision(promote=True, reasons=("first champion",))
    if challenger.bundle == champion.bundle:
        return GateDecision(promote=False, reasons=("already champion",))
    if challenger.answers == champion.answers:
        return GateDecision(promote=False, reasons=("the same model as the champion, file by file",))
    tables = {"champion": champion.predictions, "challenger": challenger.predictions}
    require_same_rows(tables | {one.bundle: one.predictions for one in earlier})

    difference, against_champion = _compare(challenger, champion, policy, clusters)
    anchor = max(earlier, key=lambda one: _quality(one.predictions), default=None)
    against_anchor = _compare(challenger, anchor, policy, clusters)[1] if anchor else None
    failed = [
        f"{one} against {other}: a loss of more than {policy.max_loss_points:g} points is not ruled out"
        for other, one in (("the champion", against_champion), ("the best earlier champion", against_anchor))
        if one and one.interval.low < -policy.max_loss_points
    ]
    faster = speed is not None and speed.low > policy.faster_ratio
    pace = "speed not measured"
    if speed is not None:
        pace = f"{speed.ratio:.2f} times as fast as the champion ({speed.low:.2f} to {speed.high:.2f})"
    recalibrated = challenger.model == champion.model
    if not (difference.significantly_better or faster or recalibrated):
        failed.append(
            f"no improvement: {against_champion} are not significant, and {pace} is not surely more than"
            f" {policy.faster_ratio:g} times"
        )
    gains = [f"significantly better: {against_champion}"] if difference.significantly_better else []
    if not gains:
        gains.append(f"not inferior: {against_champion}")
    if recalibrated:
        gains.append("the champion's model with another calibration or out-of-distribution limits")
    return GateDecision(
        promote=not failed,
        reasons=tuple(failed or [*gains, pace]),
        champion=against_champion,
        anchor=against_anchor,
        mcnemar=mcnemar(
            champion.predictions["true_label"],
            champion.predictions["predicted_label"],
            challenger.predictions["predicted_label"],
        ),
        speed=speed,
    )


def _compare(
    challenger: Contender, other: Contender, policy: SelectionPolicy, clusters: pl.Series | None
) -> tuple[PairedDifference, Comparison]:
    difference = paired_bootstrap(
        other.predictions["true_label"],
        other.predictions["predicted_label"],
        challenger.predictions["predicted_label"],
        clusters,
        resamples=policy.resamples,
        level=policy.significance_level,
        seed=policy.seed,
    )
    # Rounded, so that a loss of exactly what is allowed does not fail by a rounding error.
    points, low, high = (
        round(100 * one, 9) for one in (difference.difference, difference.low, difference.high)
    )
    comparison = Comparison(
        bundle=other.bundle, difference_points=points, interval=Interval(low=low, high=high)
    )
    return difference, comparison


def _quality(predictions: pl.DataFrame) -> float:
    fake, called = (predictions[name].to_numpy() == 1 for name in ("true_label", "predicted_label"))
    return float(macro_f1_of_counts(fake.size, fake.sum(), called.sum(), (fake & called).sum()))
