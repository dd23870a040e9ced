"""Plots of an evaluation."""

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, roc_curve

from fakenews_assets.common.plotting import (
    ACCENT_COLOUR,
    CLASS_COLOURS,
    FAKE_COLOUR,
    NEUTRAL_COLOUR,
    add_legend,
    label_axes,
    new_figure,
    plain_label,
)
from fakenews_assets.evaluation.metrics.selective import RiskCoverage, RiskCoverageCurve
from fakenews_assets.evaluation.metrics.slices import SliceScore
from fakenews_assets.models.bootstrap import Interval
from fakenews_assets.models.metrics import Confusion, Metrics
from fakenews_assets.models.reliability import reliability_bins

_SCORE_BINS = np.linspace(0, 1, 31)
_MOST_CURVE_POINTS = 2000


def reliability_plot(predictions: pl.DataFrame, metrics: Metrics) -> Figure:
    """Draw observed share of fake against forecast, one point per bin, above the counts of forecasts.

    Args:
        predictions: columns `true_label` and `probability`.
        metrics: scores of the same rows.
    """
    labels, probabilities = predictions["true_label"].to_numpy(), predictions["probability"].to_numpy()
    bins = reliability_bins(labels, probabilities)
    forecast = np.array([one.mean_probability for one in bins])
    share = np.array([one.fake_share for one in bins])
    rows = np.array([one.rows for one in bins])
    # Two standard errors of a share: what chance alone does to a bin of this size.
    chance = 2 * np.sqrt(forecast * (1 - forecast) / rows)

    figure, (top, bottom) = new_figure(5.2, 5.2, rows=2, heights=(3, 1))
    top.plot([0, 1], [0, 1], color=NEUTRAL_COLOUR, linestyle="--", linewidth=1, label="perfect calibration")
    low, high = np.clip(forecast - chance, 0, 1), np.clip(forecast + chance, 0, 1)
    top.vlines(forecast, low, high, color=NEUTRAL_COLOUR, linewidth=4, alpha=0.35, label="chance, 2 s.e.")
    top.plot(forecast, share, "o-", color=ACCENT_COLOUR, markersize=5, linewidth=1.2, label="bin")
    top.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    label_axes(
        top,
        title=f"Expected calibration error {metrics.ece:.3f}",
        y="share that is fake",
    )
    add_legend(top, location="upper left")
    bottom.hist(probabilities, bins=_SCORE_BINS.tolist(), color=NEUTRAL_COLOUR)
    bottom.set_xlim(-0.02, 1.02)
    label_axes(
        bottom, x=f"forecast probability of fake ({len(bins)} bins of about {int(np.median(rows)):,} rows)"
    )
    bottom.set_ylabel("articles", fontsize=9)
    return figure


def confusion_plot(confusion: Confusion) -> Figure:
    """Draw the four cells with their counts and their share of the actual class."""
    counts = np.array(
        [
            [confusion.real_as_real, confusion.real_as_fake],
            [confusion.fake_as_real, confusion.fake_as_fake],
        ]
    )
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, (axis,) = new_figure(4.4, 3.6)
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(2, 2):
        axis.text(
            column,
            row,
            f"{counts[row, column]:,}\n{shares[row, column]:.1%}",
            ha="center",
            va="center",
            fontsize=11,
            color="white" if shares[row, column] > 0.5 else "black",
        )
    axis.grid(False)
    axis.set_xticks([0, 1], ["real", "fake"])
    axis.set_yticks([0, 1], ["real", "fake"])
    wrong = int(counts[0, 1] + counts[1, 0])
    label_axes(
        axis, title=f"{wrong:,} of {int(counts.sum()):,} articles misclassified", x="predicted", y="actual"
    )
    return figure


def score_plot(predictions: pl.DataFrame, threshold: float) -> Figure:
    """Draw how the forecasts of each class spread; the counts are on a logarithmic scale.

    Args:
        predictions: columns `true_label` and `probability`.
        threshold: where real ends and fake begins.
    """
    figure, (axis,) = new_figure(5.2, 3.4)
    for label, name in enumerate(("real", "fake")):
        scores = predictions.filter(pl.col("true_label") == label)["probability"].to_numpy()
        axis.hist(
            scores,
            bins=_SCORE_BINS.tolist(),
            color=CLASS_COLOURS[name],
            alpha=0.3,
            histtype="stepfilled",
        )
        axis.hist(
            scores,
            bins=_SCORE_BINS.tolist(),
            color=CLASS_COLOURS[name],
            histtype="step",
            linewidth=1.6,
            linestyle="-" if name == "real" else "--",
            label=f"{name} ({scores.size:,})",
        )
    axis.axvline(threshold, color="black", linewidth=1, linestyle=":", label=f"threshold {threshold:g}")
    axis.set_yscale("log")
    axis.set_xlim(0, 1)
    label_axes(axis, title="Forecasts by actual class", x="probability of fake", y="articles (log scale)")
    add_legend(axis, location="upper center")
    return figure


def curves_plot(predictions: pl.DataFrame, metrics: Metrics) -> Figure:
    """Draw the ROC and the precision-recall curve side by side.

    Args:
        predictions: columns `true_label` and `probability`.
        metrics: scores of the same rows.

    Raises:
        ValueError: the rows hold one class only, which leaves both curves undefined.
    """
    if metrics.roc_auc is None or metrics.pr_auc is None:
        raise ValueError("ROC and precision-recall curves need articles of both classes.")
    labels, probabilities = predictions["true_label"].to_numpy(), predictions["probability"].to_numpy()
    figure, (left, right) = new_figure(8.4, 3.8, columns=2)

    false_rate, true_rate, _ = roc_curve(labels, probabilities)
    _curve(left, false_rate, true_rate)
    left.plot([0, 1], [0, 1], color=NEUTRAL_COLOUR, linestyle="--", linewidth=1, label="chance")
    confusion = metrics.confusion
    _mark(left, confusion.real_as_fake / metrics.real.rows, metrics.fake.recall, metrics.threshold)
    label_axes(
        left,
        title=f"Area under the ROC curve {metrics.roc_auc:.3f}",
        x="real called fake (share)",
        y="fake found (share)",
    )
    add_legend(left, location="lower right")

    precision, recall, _ = precision_recall_curve(labels, probabilities)
    _curve(right, recall, precision)
    right.axhline(metrics.fake_share, color=NEUTRAL_COLOUR, linestyle="--", linewidth=1, label="chance")
    _mark(right, metrics.fake.recall, metrics.fake.precision, metrics.threshold)
    label_axes(
        right,
        title=f"Average precision {metrics.pr_auc:.3f}",
        x="recall of fake",
        y="precision of fake",
    )
    add_legend(right, location="lower left")
    for axis in (left, right):
        axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    return figure


def risk_coverage_plot(predictions: pl.DataFrame, numbers: RiskCoverage, threshold: float) -> Figure:
    """Draw the error rate among the most confident answers against their share, beside that of a perfect ranking.

    Args:
        predictions: a table of `LABELLED_PREDICTION_SCHEMA`.
        numbers: of the same rows.
        threshold: where real ends and fake begins.
    """
    labels = predictions["true_label"].to_numpy()
    curve = RiskCoverageCurve.of(labels, predictions["probability"].to_numpy(), threshold)
    wrong = predictions["predicted_label"].to_numpy() != labels
    figure, (axis,) = new_figure(5.2, 3.4)
    _curve(axis, curve.coverage, 100 * curve.risk)
    rows = np.arange(1, wrong.size + 1)
    best = np.maximum(rows - int((~wrong).sum()), 0) / rows
    axis.plot(
        curve.coverage,
        100 * best,
        color=NEUTRAL_COLOUR,
        linestyle="--",
        linewidth=1,
        label="perfect ranking",
    )
    answered = ~predictions["abstained"].to_numpy()
    if answered.any():
        axis.plot(
            answered.mean(),
            100 * wrong[answered].mean(),
            "o",
            color=FAKE_COLOUR,
            markersize=7,
            label="as served",
        )
    axis.set(xlim=(0, 1.02))
    axis.set_ylim(bottom=0)
    label_axes(
        axis,
        title=f"Area under the curve {numbers.aurc:.4f}, at best {numbers.lowest_aurc:.4f}",
        x="coverage (share answered, most confident first)",
        y="error rate among them (%)",
    )
    add_legend(axis, location="upper left")
    return figure


def slice_plot(slices: tuple[SliceScore, ...], overall: float) -> Figure:
    """Draw the accuracy of every slice with its interval, against the accuracy of all rows.

    Args:
        slices: scores, grouped by dimension.
        overall: accuracy of all rows.
    """
    shown = [one for one in slices if not one.too_few]
    figure, (axis,) = new_figure(6.8, 1.2 + 0.27 * max(len(slices), 3))
    ground = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    for place, one in enumerate(slices):
        interval = one.accuracy_interval
        if interval is None:
            axis.text(
                overall,
                place,
                "too few rows",
                va="center",
                ha="center",
                fontsize=8,
                style="italic",
                bbox=ground,
            )
        else:
            axis.hlines(place, interval.low, interval.high, color=ACCENT_COLOUR, linewidth=5, alpha=0.45)
            axis.plot(one.accuracy, place, "o", color=ACCENT_COLOUR, markersize=5.5)
    axis.axvline(overall, color=NEUTRAL_COLOUR, linestyle="--", linewidth=1)
    axis.set_yticks(
        range(len(slices)), [f"{one.dimension}: {plain_label(one.name)} ({one.rows:,})" for one in slices]
    )
    axis.invert_yaxis()
    ends = [one.accuracy_interval or Interval(low=overall, high=overall) for one in slices]
    low = min([overall, *(end.low for end in ends)])
    high = max([overall, *(end.high for end in ends)])
    margin = max(0.1 * (high - low), 0.01)
    axis.set_xlim(low - margin, high + margin)
    for place in range(1, len(slices)):
        if slices[place].dimension != slices[place - 1].dimension:
            axis.axhline(place - 0.5, color=NEUTRAL_COLOUR, linewidth=0.6)
    worst = min(shown, key=lambda one: one.accuracy, default=None)
    title = "Every slice has too few rows"
    if worst is not None:
        title = f"Lowest accuracy: {worst.accuracy:.3f} on {worst.dimension} “{plain_label(worst.name)}”"
    label_axes(axis, title=title, x="accuracy with its interval; dashed: all rows", y="")
    return figure


def _curve(axis: Axes, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    keep = np.unique(np.linspace(0, x.size - 1, min(x.size, _MOST_CURVE_POINTS)).astype(int))
    axis.plot(x[keep], y[keep], color=ACCENT_COLOUR, linewidth=1.8)


def _mark(axis: Axes, x: float | None, y: float | None, threshold: float) -> None:
    if x is not None and y is not None:
        axis.plot(x, y, "o", color=FAKE_COLOUR, markersize=7, label=f"threshold {threshold:g}")
