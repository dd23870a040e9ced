"""Plots the leaderboard."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fakenews_assets.common.plotting import (
    ACCENT_COLOUR,
    FAKE_COLOUR,
    NEUTRAL_COLOUR,
    add_legend_below,
    label_axes,
    new_figure,
    plain_label,
)
from fakenews_assets.evaluation.reports.leaderboard import pareto_front

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LABEL_ANGLES: Final = (40, 140, -40, 220, 0, 180, 75, 105)
_LABEL_DISTANCES: Final = (11, 22, 38, 56, 76, 98, 122)
"""Where a point's name may stand, in degrees and typographic points from it; the first free place is taken."""


_DOT_PIXELS: Final = 5

_Floats = NDArray[np.float64]


def leaderboard_plot(table: pl.DataFrame) -> Figure:
    """Draw macro-F1 with its interval against the latency of one article.

    The step line is the Pareto front of these two: the best macro-F1 within a latency. The table's front
    goes by throughput instead, where batches favour other candidates.

    Args:
        table: as `leaderboard_table` returns it; candidates without a macro-F1 are left out.
    """
    from matplotlib.ticker import LogLocator

    shown = table.drop_nulls("macro_f1").sort("latency_p50_ms")
    latency, quality = shown["latency_p50_ms"].to_numpy(), shown["macro_f1"].to_numpy()
    front = np.array(pareto_front(list(zip(-latency, quality, strict=True))), dtype=bool)
    figure, (axis,) = new_figure(7.6, 4.8)
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=20))
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_formatter("")
    label_axes(
        axis,
        title=f"{shown.height} candidates: macro-F1 against latency",
        x="latency of one article, median (ms, log scale)",
        y="macro-F1 with its interval",
    )
    if shown.is_empty():
        return figure
    spread = np.clip(
        [
            quality - shown["low"].fill_null(shown["macro_f1"]).to_numpy(),
            shown["high"].fill_null(shown["macro_f1"]).to_numpy() - quality,
        ],
        0,
        None,
    )
    axis.set_xlim(latency.min() / 1.6, latency.max() * 1.6)
    # The front reaches to the right edge: more time never makes the best answer worse.
    edge = latency.max() * 1.6
    axis.plot(
        [*latency[front], edge],
        [*quality[front], quality.max()],
        drawstyle="steps-post",
        color=FAKE_COLOUR,
        linewidth=1.4,
        label="best within a latency",
        zorder=1.5,
    )
    for chosen, colour, name in ((front, ACCENT_COLOUR, "on the front"), (~front, NEUTRAL_COLOUR, "beaten")):
        if chosen.any():
            axis.errorbar(
                latency[chosen],
                quality[chosen],
                yerr=spread[:, chosen],
                fmt="o",
                color=colour,
                markersize=6,
                elinewidth=1.2,
                capsize=2.5,
                label=name,
            )
    add_legend_below(figure)
    champion = pl.when("is_champion").then(pl.lit(" (champion)")).otherwise(pl.lit(""))
    names = shown.select(pl.col("candidate") + champion).to_series()
    _name_points(figure, axis, names.to_list(), latency, quality, spread)
    return figure


def _name_points(
    figure: Figure, axis: Axes, names: list[str], x: _Floats, y: _Floats, spread: _Floats
) -> None:
    """Write each name near its point, off every point, interval and other name where there is such a place."""
    from matplotlib.transforms import Bbox

    # Places in pixels exist only once the axes have their final size.
    figure.draw_without_rendering()
    bottoms = axis.transData.transform(np.column_stack([x, y - spread[0]]))
    tops = axis.transData.transform(np.column_stack([x, y + spread[1]]))
    taken = [
        Bbox([bottom - _DOT_PIXELS, top + _DOT_PIXELS]) for bottom, top in zip(bottoms, tops, strict=True)
    ]
    offset: dict[str, Any] = {"textcoords": "offset points", "verticalalignment": "center"}
    leader = {"arrowstyle": "-", "color": NEUTRAL_COLOUR, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 4}
    for name, point in zip(names, zip(x, y, strict=True), strict=True):
        label = axis.annotate(plain_label(name), point, xytext=(0, 0), fontsize=8, **offset)
        label.set_in_layout(False)
        for distance, angle in product(_LABEL_DISTANCES, _LABEL_ANGLES):
            place = (distance * np.cos(np.radians(angle)), distance * np.sin(np.radians(angle)))
            label.set(position=place, horizontalalignment="left" if place[0] > 0 else "right")
            box = label.get_window_extent()
            inside = axis.bbox.contains(box.x0, box.y0) and axis.bbox.contains(box.x1, box.y1)
            if inside and box.count_overlaps(taken) == 0:
                if distance > _LABEL_DISTANCES[0]:
                    axis.annotate("", point, xytext=place, arrowprops=leader, **offset).set_in_layout(False)
                break
        taken.append(label.get_window_extent())
