"""Plots of a training and of a hyperparameter search."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from fakenews_assets.common.plotting import (
    ACCENT_COLOUR,
    FAKE_COLOUR,
    NEUTRAL_COLOUR,
    REAL_COLOUR,
    add_legend,
    add_legend_below,
    label_axes,
    new_figure,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fakenews_assets.training.finetuning.history import TrainingHistory
    from fakenews_assets.training.search.result import SearchResult


def curves_figure(history: TrainingHistory) -> Figure:
    """Draw loss (left) and validation quality (right) over optimisation steps; epochs end at dotted lines."""
    figure, (loss, quality) = new_figure(10, 3.6, columns=2)
    points = history.validation
    steps = [point.step for point in points]
    training_steps = [point.step for point in history.training]
    loss.plot(
        training_steps, [point.loss for point in history.training], color=NEUTRAL_COLOUR, label="training"
    )
    loss.plot(steps, [point.loss for point in points], "o-", color=FAKE_COLOUR, label="validation")
    label_axes(loss, title="Loss", x="step", y="cross-entropy (nats)")
    quality.plot(steps, [point.accuracy for point in points], "o-", color=REAL_COLOUR, label="accuracy")
    quality.plot(steps, [point.macro_f1 for point in points], "s-", color=ACCENT_COLOUR, label="macro-F1")
    label_axes(quality, title="Validation quality", x="step")
    last_step = max([*steps, *training_steps], default=0)
    for axes in (loss, quality):
        for step in range(history.steps_per_epoch, last_step + 1, history.steps_per_epoch):
            axes.axvline(step, color=NEUTRAL_COLOUR, linestyle=":", linewidth=0.8)
        add_legend(axes)
    return figure


def history_figure(result: SearchResult) -> Figure:
    """Draw the macro-F1 of every trial in order, and the best so far; failed trials are left out."""
    from matplotlib.ticker import MaxNLocator

    figure, (axis,) = new_figure(6.8, 3.6)
    complete = [trial for trial in result.trials if trial.state == "complete"]
    _scatter(axis, result, [trial.number for trial in result.trials])
    best = list(accumulate((trial.value or 0.0 for trial in complete), max))
    numbers = [trial.number for trial in complete]
    axis.step(numbers, best, where="post", color=ACCENT_COLOUR, linewidth=1.7, label="best so far")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    label_axes(axis, title="Search history", x="trial", y="validation macro-F1")
    add_legend_below(figure)
    return figure


def settings_figure(result: SearchResult) -> Figure:
    """Draw the macro-F1 of every trial over each searched setting: where the good ones lie, and whether at a bound."""
    names = list(result.best_changes)
    figure, axes = new_figure(2.6 * len(names) + 0.8, 3.4, columns=len(names))
    for axis, name in zip(axes, names, strict=True):
        _scatter(axis, result, [trial.params.get(name) for trial in result.trials])
        axis.axvline(result.best_changes[name], color=ACCENT_COLOUR, linewidth=1.2, label="best trial")
        if name == "learning_rate":
            axis.set_xscale("log")
        if name in result.settings.choices:
            axis.set_xticks(result.settings.choices[name])
        label_axes(axis, x=name, y="validation macro-F1" if name == names[0] else "")
    add_legend_below(figure)
    return figure


def _scatter(axis: Axes, result: SearchResult, positions: list[int | float | None]) -> None:
    """Draw the trials that count at the given positions, one for each trial of the result."""
    for state, colour, marker in (("complete", REAL_COLOUR, "o"), ("pruned", FAKE_COLOUR, "x")):
        shown = [
            (position, trial.value)
            for trial, position in zip(result.trials, positions, strict=True)
            if trial.state == state and trial.value is not None and position is not None
        ]
        if shown:
            axis.scatter(*zip(*shown, strict=True), color=colour, marker=marker, label=state)
