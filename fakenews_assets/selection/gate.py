"""The gate: whether a challenger replaces the champion."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from fakenews_assets.evaluation.metrics.comparison import (
    McNemar,
    PairedDifference,
    mcnemar,
    paired_bootstrap,
)
from fakenews_assets.evaluation.unseen.publishers import compare_unseen
from fakenews_assets.models.bootstrap import Interval, macro_f1_of_predictions
from fakenews_assets.models.predictions import LABELLED_PREDICTION_SCHEMA
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
    unseen: pl.DataFrame = field(default_factory=LABELLED_PREDICTION_SCHEMA.to_frame)
    """The same, of articles of held-out publishers."""


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
    unseen: PairedDifference | None = Field(
        default=None,
        description="ROC AUC on held-out publishers, challenger minus champion, over publishers; None: too few.",
    )
    speed: SpeedRatio | None = Field(default=None, description="Of the challenger over the champion.")


def gate(
    challenger: Contender,
    champion: Contender | None,
    policy: SelectionPolicy,
    clusters: pl.Series | None = None,
    *,
    unseen: pl.DataFrame | None = None,
    speed: SpeedRatio | None = None,
    earlier: Sequence[Contender] = (),
) -> GateDecision:
    """Decide between a challenger and the champion.

    The challenger is promoted if it is

    - not inferior: the paired intervals rule out that it loses more than `max_loss_points` to the champion, or to the
      best of the earlier champions, so that small losses cannot add up over many promotions; and it is not significantly
      worse than the champion on unseen publishers, where a loss of so few points could hardly ever be ruled out; and
    - an improvement: significantly better (a paired interval lies above 0), or surely more than `faster_ratio` times
      as fast (the interval over turns lies above it), or the champion's own model with another calibration or other
      out-of-distribution limits: these are what somebody chose, and no score of labels shows what they are good for.

    What answers as the champion does, file by file, is never promoted over it.

    Args:
        challenger: the chosen candidate.
        champion: the current one; None: there is none, and the challenger is promoted.
        policy: the limits.
        clusters: near-duplicate cluster of each row, in the order of the predictions; None draws rows.
        unseen: the articles behind the `unseen` predictions, columns of ARTICLE_SCHEMA; None: there are none.
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
    anchor = max(earlier, key=lambda one: macro_f1_of_predictions(one.predictions) or 0, default=None)
    against_anchor = _compare(challenger, anchor, policy, clusters)[1] if anchor else None
    of_unseen = _compare_unseen(challenger, champion, policy, unseen)
    failed = [
        f"{one} against {other}: a loss of more than {policy.max_loss_points:g} points is not ruled out"
        for other, one in (("the champion", against_champion), ("the best earlier champion", against_anchor))
        if one and one.interval.low < -policy.max_loss_points
    ]
    if of_unseen is not None and of_unseen.significantly_worse:
        failed.append(f"significantly worse on unseen publishers: {_auc_points(of_unseen)}")

    gains = []
    if difference.significantly_better:
        gains.append(f"significantly better: {against_champion}")
    if of_unseen is not None and of_unseen.significantly_better:
        gains.append(f"significantly better on unseen publishers: {_auc_points(of_unseen)}")
    if challenger.model == champion.model:
        gains.append("the champion's model with another calibration or out-of-distribution limits")
    pace = "speed not measured"
    if speed is not None:
        pace = f"{speed.ratio:.2f} times as fast as the champion ({speed.low:.2f} to {speed.high:.2f})"
    if not gains and (speed is None or speed.low <= policy.faster_ratio):
        failed.append(
            f"no improvement: {against_champion} are not significant, and {pace} is not surely more than"
            f" {policy.faster_ratio:g} times"
        )
    if not difference.significantly_better:
        gains.insert(0, f"not inferior: {against_champion}")
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
        unseen=of_unseen,
        speed=speed,
    )


def _compare_unseen(
    challenger: Contender, champion: Contender, policy: SelectionPolicy, articles: pl.DataFrame | None
) -> PairedDifference | None:
    """At half the policy's error rate: this is a second chance to look better than one is."""
    if articles is None:
        return None
    return compare_unseen(
        articles,
        champion.unseen["probability"],
        challenger.unseen["probability"],
        resamples=policy.resamples,
        level=(1 + policy.significance_level) / 2,
        seed=policy.seed,
    )


def _auc_points(difference: PairedDifference) -> str:
    points, low, high = (100 * one for one in (difference.difference, difference.low, difference.high))
    return f"{points:+.2f} points of ROC AUC ({low:+.2f} to {high:+.2f})"


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
