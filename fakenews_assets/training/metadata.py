"""What the Dagster UI shows of a training, while it runs and afterwards."""

import logging
from typing import TYPE_CHECKING, Any

import dagster as dg

from fakenews_assets.common.progress import report
from fakenews_assets.training.curves import Curves
from fakenews_resources.tracking.run import Tracked

if TYPE_CHECKING:  # torch and lightning take seconds to import
    from fakenews_assets.training.finetuning import FinetuneResult
    from fakenews_assets.training.history import Progress


class TrainingLog:
    """Writes the progress of a training to a log, to whoever draws a bar, and its curves to its tracked run."""

    def __init__(self, log: logging.Logger, task: str, tracked: Tracked) -> None:
        self.log = log
        self.task = task
        self.tracked = tracked
        self.curves = Curves(tracked.log)

    def __call__(self, progress: "Progress") -> None:
        note = f"epoch {progress.epoch}/{progress.epochs}, {progress.rows_per_second:.0f} rows/s"
        if progress.train_loss is not None:
            note += f", loss {progress.train_loss:.3f}"
        if progress.validation:
            note += f", validation loss {progress.validation.loss:.3f}, macro-F1 {progress.validation.macro_f1:.3f}"
        self.log.info(f"step {progress.step}/{progress.total_steps}: {note}")
        report(self.task, progress.step, progress.total_steps, note)
        self.curves(progress.history)
        self.tracked.log({"rows_per_second": progress.rows_per_second}, progress.step)

    def finish(self, result: "FinetuneResult") -> dict[str, dg.MetadataValue]:
        """Complete the tracked run. Returns: where it is."""
        self.curves(result.history)
        results = {f"best/{name}": value for name, value in result.best.model_dump().items()}
        return self.tracked.finish({**results, "steps": result.steps, "seconds": result.seconds})


def training_metadata(result: "FinetuneResult") -> dict[str, Any]:
    """Numbers and curves of a finished training."""
    from fakenews_assets.common.plotting import to_markdown_image
    from fakenews_assets.training.plots import curves_figure

    return {
        "encoder": result.settings.encoder.name,
        "validation_macro_f1": result.best.macro_f1,
        "validation_loss": result.best.loss,
        "best_step": result.best.step,
        "steps": result.steps,
        "stopped_early": result.stopped_early,
        "resumed_from_step": result.resumed_from_step,
        "precision": result.precision,
        "rows_per_second": result.rows_per_second,
        "seconds": result.seconds,
        "curves": dg.MetadataValue.md(to_markdown_image(curves_figure(result.history), "training curves")),
    }
