"""The gate: whether a challenger replaces the champion."""

from dataclasses import dataclass

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from fakenews_assets.evaluation.metrics.comparison import McNemar, mcnemar, paired_bootstrap
from fakenews_assets.models.bootstrap import Interval
from fakenews_assets.selection.candidates import require_same_rows
from fakenews_assets.selection.settings import SelectionPolicy


@dataclass(frozen=True)
class Contender:
    """Challenger or champion. Measure both speeds in one session, so that their ratio is meaningful."""

    bundle: str
    """Sha of its bundle."""
    predictions: pl.DataFrame
    """A table of `LABELLED_PREDICTION_SCHEMA`, on the same rows as the other side's."""
    rows_per_second: float


class GateDecision(BaseModel):
    """The gate's decision with its evidence, which is None if there was no champion."""

    model_config = ConfigDict(frozen=True)

    promote: bool
    reasons: tuple[str, ...]
    mcnemar: McNemar | None = Field(default=None, description="First is the champion, second the challenger.")
    difference_points: float | None = Field(
        default=None, description="Points of macro-F1 that the challenger is above the champion."
    )
    interval: Interval | None = Field(default=None, description="Of the difference, in points.")
    speed_ratio: float | None = Field(
        default=None, description="Articles per second of the challenger over those of the champion."
    )


def gate(
    challenger: Contender,
    champion: Contender | None,
    policy: SelectionPolicy,
    clusters: pl.Series | None = None,
) -> GateDecision:
    """Decide between a challenger and the champion.

    The challenger is promoted if it is

    - better (higher macro-F1), and either significantly so (the paired interval lies above 0) or at least
      `min_speed_ratio` times as fast; or
    - equal (at most `max_loss_points` below; the paired interval does not lie below 0; McNemar's test does
      not find it significantly less often right) and more than `faster_ratio` times as fast.

    Args:
        challenger: the chosen candidate.
        champion: the current one; None: there is none, and the challenger is promoted.
        policy: the limits.
        clusters: near-duplicate cluster of each test row, in the order of the predictions; None draws rows.

    Raises:
        ValueError: the two were judged on different rows, a throughput is not above 0, or macro-F1 cannot be
            compared on these rows.
    """
    if champion is None:
        return GateDecision(promote=True, reasons=("first champion",))
    if challenger.bundle == champion.bundle:
        return GateDecision(promote=False, reasons=("already champion",))
    require_same_rows({"champion": champion.predictions, "challenger": challenger.predictions})
    if min(challenger.rows_per_second, champion.rows_per_second) <= 0:
        raise ValueError("Articles per second must be above 0; measure the speed of both sides again.")

    labels = champion.predictions["true_label"]
    decisions = champion.predictions["predicted_label"], challenger.predictions["predicted_label"]
    test = mcnemar(labels, *decisions)
    paired = paired_bootstrap(
        labels,
        *decisions,
        clusters,
        resamples=policy.resamples,
        level=policy.significance_level,
        seed=policy.seed,
    )
    # Rounded, so that a loss of exactly what is allowed does not fail by a rounding error.
    points = round(100 * paired.difference, 9)
    ratio = challenger.rows_per_second / champion.rows_per_second
    span = f"{100 * paired.low:+.2f} to {100 * paired.high:+.2f}"
    if points > 0:
        quality = f"better by {points:.2f} points of macro-F1 ({span})"
        if paired.significantly_better:
            promote, reasons = True, (f"significantly {quality}",)
        elif ratio >= policy.min_speed_ratio:
            promote, reasons = True, (quality, f"{ratio:.2f} times as fast as the champion")
        else:
            promote = False
            reasons = (
                f"{quality}, which is not significant",
                f"only {ratio:.2f} times as fast as the champion; {policy.min_speed_ratio:g} are needed",
            )
    else:
        failed = _not_equal(points, paired.significantly_worse, span, test, policy)
        if ratio <= policy.faster_ratio:
            failed.append(
                f"not better ({points:+.2f} points), and {ratio:.2f} times as fast as the champion; more than"
                f" {policy.faster_ratio:g} are needed"
            )
        promote = not failed
        reasons = tuple(failed) or (
            f"as good as the champion: {points:+.2f} points of macro-F1 ({span})",
            f"{ratio:.2f} times as fast",
        )
    return GateDecision(
        promote=promote,
        reasons=reasons,
        mcnemar=test,
        difference_points=points,
        interval=Interval(low=100 * paired.low, high=100 * paired.high),
        speed_ratio=ratio,
    )


def _not_equal(
    points: float, significantly_worse: bool, span: str, test: McNemar, policy: SelectionPolicy
) -> list[str]:
    """Why a challenger without a higher macro-F1 does not count as equal."""
    failed = []
    if -points > policy.max_loss_points:
        failed.append(f"loses {-points:.2f} points of macro-F1; {policy.max_loss_points:g} are allowed")
    if significantly_worse:
        failed.append(
            f"significantly worse: {span} points of macro-F1 at the {policy.significance_level:.0%} level"
        )
    if test.p_value < 1 - policy.significance_level and test.only_first_right > test.only_second_right:
        failed.append(
            f"significantly less often right: {test.only_second_right} rows that the champion misses against"
            f" {test.only_first_right} the other way round (McNemar p = {test.p_value:.2g})"
        )
    return failed
