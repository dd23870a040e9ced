"""Plots of the monitoring page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from fakenews_assets.common.plotting import (
    ACCENT_COLOUR,
    ALARM_COLOUR,
    CLASS_COLOURS,
    LIMIT_COLOUR,
    NEUTRAL_COLOUR,
    add_legend_below,
    label_axes,
    new_figure,
)
from fakenews_assets.monitoring.page.history import Day

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SIZE = (4.9, 2.7)
"""Small: a phone shows the letters of a wide plot too small to read."""


def traffic_plot(days: Sequence[Day], changes: Sequence[date]) -> Figure:
    """Answers a day, by verdict."""
    from matplotlib.ticker import MaxNLocator

    figure, (axis,) = new_figure(*_SIZE)
    below = [0] * len(days)
    for name, colour in (
        ("real", CLASS_COLOURS["real"]),
        ("fake", CLASS_COLOURS["fake"]),
        ("unsure", NEUTRAL_COLOUR),
    ):
        heights = [getattr(day.traffic, name) if day.traffic else 0 for day in days]
        axis.bar(range(len(days)), heights, bottom=below, width=0.8, color=colour, label=name)
        below = [low + height for low, height in zip(below, heights, strict=True)]
    axis.yaxis.set_major_locator(MaxNLocator(integer=True))
    _finish(figure, axis, days, changes, title="Answers, by verdict", y="articles")
    return figure


def abstention_plot(days: Sequence[Day], changes: Sequence[date]) -> Figure:
    """Share of abstentions, beside the evaluation's and what is tolerated."""
    figure, (axis,) = new_figure(*_SIZE)
    found = [
        (at, day.drift.abstentions) for at, day in enumerate(days) if day.drift and day.drift.abstentions
    ]
    for risen, colour, label in ((False, ACCENT_COLOUR, "as evaluated"), (True, ALARM_COLOUR, "too many")):
        chosen = [(at, 100 * one.share) for at, one in found if one.risen is risen]
        if chosen:
            axis.plot(*zip(*chosen, strict=True), "o", markersize=5, color=colour, label=label)
    _levels(axis, [(at, 100 * one.expected, 100 * one.tolerated) for at, one in found])
    highest = max([20.0, *(110 * max(one.share, one.tolerated) for _, one in found)])
    axis.set_ylim(0, min(100, highest))
    _finish(figure, axis, days, changes, title="Abstentions", y="% of articles")
    return figure


def drift_plot(days: Sequence[Day], changes: Sequence[date]) -> Figure:
    """Drift score of each day against the line from which it counts."""
    figure, (axis,) = new_figure(*_SIZE)
    scores = [(at, day.drift) for at, day in enumerate(days) if day.drift and day.drift.score is not None]
    for drifted, colour, label in ((False, ACCENT_COLOUR, "as usual"), (True, ALARM_COLOUR, "drifted")):
        chosen = [(at, verdict.score) for at, verdict in scores if verdict.drifted is drifted]
        if chosen:
            axis.bar(*zip(*chosen, strict=True), width=0.8, color=colour, label=label)
    axis.axhline(1, color=LIMIT_COLOUR, linestyle="--", linewidth=1.5, label="tolerated")
    axis.set_ylim(bottom=0, top=max(1.5, *(1.1 * (verdict.score or 0) for _, verdict in scores), 0))
    _finish(
        figure, axis, days, changes, title="Drift of the most changed feature", y="times what is tolerated"
    )
    return figure


def performance_plot(days: Sequence[Day], changes: Sequence[date]) -> Figure:
    """Quality by late labels, with intervals, beside the evaluation's and what is tolerated."""
    figure, (axis,) = new_figure(*_SIZE)
    points = [
        (at, day.performance, day.performance.value)
        for at, day in enumerate(days)
        if day.performance and day.performance.value is not None
    ]
    said: set[str] = set()
    lows = [0.9]
    for at, verdict, value in points:
        interval = verdict.intervals.get(verdict.measure)
        colour = ALARM_COLOUR if verdict.dropped else LIMIT_COLOUR if verdict.lower else ACCENT_COLOUR
        if interval:
            axis.vlines(at, interval.low, interval.high, color=colour, linewidth=2)
            lows.append(interval.low)
        label = "macro-F1" if verdict.measure == "macro_f1" else "accuracy, of one class"
        marker = "o" if verdict.measure == "macro_f1" else "s"
        axis.plot(at, value, marker, markersize=5, color=colour, label=None if label in said else label)
        said.add(label)
    levels = [
        (at, verdict.expected, verdict.tolerated)
        for at, verdict, _ in points
        if verdict.expected is not None and verdict.tolerated is not None
    ]
    _levels(axis, levels)
    axis.set_ylim(max(0, min([*lows, *(low for *_, low in levels)]) - 0.03), 1)
    _finish(figure, axis, days, changes, title="Quality by late labels", y="score")
    return figure


def _levels(axis: Axes, levels: Sequence[tuple[int, float, float]]) -> None:
    """What was evaluated and what is tolerated, day by day."""
    if levels:
        at, evaluated, tolerated = zip(*levels, strict=True)
        axis.plot(at, evaluated, "_", markersize=14, color=NEUTRAL_COLOUR, label="evaluated")
        axis.plot(at, tolerated, "_", markersize=14, markeredgewidth=2, color=LIMIT_COLOUR, label="tolerated")


def _finish(
    figure: Figure, axis: Axes, days: Sequence[Day], changes: Sequence[date], *, title: str, y: str
) -> None:
    at = {day.day: position for position, day in enumerate(days)}
    for number, change in enumerate(sorted({one for one in changes if one in at})):
        axis.axvline(
            at[change] - 0.5,
            color="#6B4FA0",
            linestyle=":",
            linewidth=1.5,
            label="new champion" if number == 0 else None,
        )
    shown = range(0, len(days), max(1, len(days) // 5))
    axis.set_xticks(list(shown), [f"{days[one].day:%d %b}" for one in shown])
    axis.set_xlim(-0.6, len(days) - 0.4)
    label_axes(axis, title=title, y=y)
    if axis.get_legend_handles_labels()[0]:
        add_legend_below(figure)
