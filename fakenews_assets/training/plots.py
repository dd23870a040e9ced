"""Pictures of a training run."""

from io import BytesIO

from matplotlib.figure import Figure

from fakenews_assets.training.history import TrainingHistory


def curves_figure(history: TrainingHistory) -> Figure:
    """Draw loss (left) and validation quality (right) over optimisation steps; epochs end at dotted lines."""
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    loss, quality = figure.subplots(1, 2)
    steps = [point.step for point in history.validation]
    loss.plot([p.step for p in history.training], [p.loss for p in history.training], label="training")
    loss.plot(steps, [point.loss for point in history.validation], marker="o", label="validation")
    loss.set(title="Loss", xlabel="step", ylabel="cross-entropy")
    quality.plot(steps, [point.accuracy for point in history.validation], marker="o", label="accuracy")
    quality.plot(steps, [point.macro_f1 for point in history.validation], marker="s", label="macro-F1")
    quality.set(title="Validation", xlabel="step")
    last_step = max([*steps, *(point.step for point in history.training)], default=0)
    for axes in (loss, quality):
        for step in range(history.steps_per_epoch, last_step + 1, history.steps_per_epoch):
            axes.axvline(step, color="grey", linestyle=":", linewidth=0.8)
        axes.grid(alpha=0.3)
        axes.legend()
    return figure


def curves_plot(history: TrainingHistory) -> bytes:
    """The same picture as a PNG."""
    buffer = BytesIO()
    curves_figure(history).savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()
