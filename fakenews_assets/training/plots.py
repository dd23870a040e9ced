"""Pictures of a training run."""

from matplotlib.figure import Figure

from fakenews_assets.common.plotting import (
    ACCENT_COLOUR,
    FAKE_COLOUR,
    NEUTRAL_COLOUR,
    REAL_COLOUR,
    add_legend,
    label_axes,
    new_figure,
)
from fakenews_assets.training.history import TrainingHistory


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
