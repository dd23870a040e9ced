"""Plots of the monitoring page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from fakenews_assets.common.plotting import (
    ACCENT_COLOUR,
    ALARM_COLOUR,
    CLASS_COLOURS,
    NEUTRAL_COLOUR,
    add_legend_below,
    label_axes,
    new_figure,
)
from fakenews_assets.monitoring.page.history import Day

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SIZE = (6.6, 2.9)


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
    _finish(figure, axis, days, changes, title="Answers a day, by verdict", y="articles")
    return figure


def share_plot(days: Sequence[Day], changes: Sequence[date]) -> Figure:
    """Share of each verdict."""
    figure, (axis,) = new_figure(*_SIZE)
    for name, colour in (("fake", CLASS_COLOURS["fake"]), ("unsure", NEUTRAL_COLOUR)):
        shares = [
            100 * getattr(day.traffic, name) / day.traffic.answers
            if day.traffic and day.traffic.answers
            else float("nan")
            for day in days
        ]
        axis.plot(range(len(days)), shares, marker="o", markersize=4, color=colour, label=name)
    axis.set_ylim(0, 100)
    _finish(figure, axis, days, changes, title="Share of verdicts", y="% of answers")
    return figure


def drift_plot(days: Sequence[Day], changes: Sequence[date]) -> Figure:
    """Drift score of each day against the line from which it counts."""
    figure, (axis,) = new_figure(*_SIZE)
    scores = [(at, day.drift) for at, day in enumerate(days) if day.drift and day.drift.score is not None]
    for drifted, colour, label in ((False, ACCENT_COLOUR, "as usual"), (True, ALARM_COLOUR, "drifted")):
        chosen = [(at, verdict.score) for at, verdict in scores if verdict.drifted is drifted]
        if chosen:
            axis.bar(*zip(*chosen, strict=True), width=0.8, color=colour, label=label)
    axis.axhline(1, color=NEUTRAL_COLOUR, linestyle="--", linewidth=1, label="drift above this")
    axis.set_ylim(bottom=0, top=max(1.5, *(1.1 * (verdict.score or 0) for _, verdict in scores), 0))
    _finish(figure, axis, days, changes, title="Drift: largest change of any feature", y="times tolerated")
    return figure


def performance_plot(days: Sequence[Day], changes: Sequence[date]) -> Figure:
    """Quality by late labels, with intervals, beside that of the evaluation."""
    figure, (axis,) = new_figure(*_SIZE)
    judged = [(at, day.performance) for at, day in enumerate(days) if day.performance]
    points = [
        (at, verdict, getattr(verdict.metrics, verdict.measure)) for at, verdict in judged if verdict.metrics
    ]
    for at, verdict, value in points:
        interval = verdict.intervals.get(verdict.measure)
        colour = ALARM_COLOUR if verdict.dropped else ACCENT_COLOUR
        if interval:
            axis.vlines(at, interval.low, interval.high, color=colour, linewidth=2)
        axis.plot(
            at, value, "o", markersize=5, color=colour, label="by late labels" if at == points[0][0] else None
        )
    expected = [(at, verdict.expected) for at, verdict, _ in points if verdict.expected is not None]
    if expected:
        axis.plot(*zip(*expected, strict=True), "_", markersize=14, color=NEUTRAL_COLOUR, label="evaluated")
    axis.set_ylim(min([0.5, *(value - 0.1 for _, _, value in points)]), 1)
    _finish(figure, axis, days, changes, title="Macro-F1 by late labels", y="macro-F1")
    return figure


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
    shown = range(0, len(days), max(1, len(days) // 7))
    axis.set_xticks(list(shown), [f"{days[one].day:%d %b}" for one in shown])
    axis.set_xlim(-0.6, len(days) - 0.4)
    label_axes(axis, title=title, y=y)
    if axis.get_legend_handles_labels()[0]:
        add_legend_below(figure)
