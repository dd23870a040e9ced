"""A drift report's verdict as a table and a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fakenews_assets.common import markdown
from fakenews_assets.common.plotting import (
    ACCENT_COLOUR,
    ALARM_COLOUR,
    NEUTRAL_COLOUR,
    add_legend_below,
    label_axes,
    new_figure,
)
from fakenews_assets.monitoring.drift.verdict import DriftVerdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def effects_table(verdict: DriftVerdict) -> str:
    """The change of each feature, beside its threshold."""
    rows = [
        (
            one.name,
            one.measure,
            f"{one.value:.3f}",
            f"{one.threshold:.3f}",
            f"{one.chance:.3f}",
            "**yes**" if one.drifted else "no",
        )
        for one in verdict.features
    ]
    return markdown.table(("feature", "measure", "value", "tolerated", "by chance", "drifted"), rows)


def effects_plot(verdict: DriftVerdict) -> Figure:
    """Plot the change of each feature, in units of its threshold."""
    features = verdict.features[::-1]
    figure, (axis,) = new_figure(7.0, 1.2 + 0.32 * len(features))
    colours = [ALARM_COLOUR if feature.drifted else ACCENT_COLOUR for feature in features]
    axis.barh([feature.name for feature in features], [feature.score for feature in features], color=colours)
    axis.axvline(1, color=NEUTRAL_COLOUR, linestyle="--", linewidth=1, label="drift beyond this")
    axis.set_xlim(left=0, right=max(1.5, 1.1 * (verdict.score or 0)))
    label_axes(axis, title="How far each feature has moved", x="times tolerated")
    add_legend_below(figure)
    return figure
