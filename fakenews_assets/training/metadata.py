"""Logs trainings and searches to Dagster and W&B."""

import logging
from typing import TYPE_CHECKING, Any

import polars as pl

from fakenews_assets.common.metadata import illustrated, records
from fakenews_assets.common.plotting import to_png
from fakenews_assets.training.finetuning.history import Curves
from fakenews_assets.training.plots import curves_figure, history_figure, settings_figure
from fakenews_resources.tracking.run import Tracked

if TYPE_CHECKING:  # torch, lightning and optuna take seconds to import
    from fakenews_assets.training.finetuning.history import Progress
    from fakenews_assets.training.finetuning.result import FinetuneResult
    from fakenews_assets.training.search.result import SearchResult, TrialRecord


class TrainingLog:
    """Writes the validations of a training to a log, and its curves to its tracked run."""

    def __init__(self, log: logging.Logger, tracked: Tracked) -> None:
        self.log = log
        self.tracked = tracked
        self.curves = Curves(tracked.log)

    def __call__(self, progress: "Progress") -> None:
        if progress.validation:
            self.log.info(f"step {progress.step}/{progress.total_steps}: {progress}")
        if progress.resumed_from_step:
            self.tracked.resume()
        self.curves(progress.history)
        self.tracked.log({"rows_per_second": progress.rows_per_second}, progress.step)

    def finish(self, result: "FinetuneResult") -> dict[str, Any]:
        """Complete the tracked run. Returns: numbers and curves of the training, and where the run is."""
        self.curves(result.history)
        results = {f"best/{name}": value for name, value in result.best.model_dump().items()}
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
            "curves": illustrated(to_png(curves_figure(result.history)), "training curves"),
            **self.tracked.finish({**results, "steps": result.steps, "seconds": result.seconds}),
        }


class SearchLog:
    """Writes the trials of a search to a log and to its tracked run."""

    def __init__(self, log: logging.Logger, tracked: Tracked) -> None:
        self.log = log
        self.tracked = tracked

    def __call__(self, trial: "TrialRecord") -> None:
        self.log.info(f"trial {trial.number} {trial.state}, macro-F1 {trial.value}: {trial.params}")
        if trial.number:  # the first one that is told of, if a killed search goes on
            self.tracked.resume()
        self.tracked.log({"macro_f1": trial.value, "seconds": trial.seconds, **trial.params}, trial.number)

    def finish(self, result: "SearchResult") -> dict[str, Any]:
        """Complete the tracked run. Returns: numbers and plots of the search, and where the run is."""
        trials = pl.DataFrame(
            [trial.model_dump(exclude={"params"}) | trial.params for trial in result.trials]
        )
        return {
            "best_validation_macro_f1": result.best_value,
            "best_settings": result.best_changes,
            "finished_trials": result.finished,
            "seconds": result.seconds,
            "trials": records(trials),
            "history": illustrated(to_png(history_figure(result)), "search history"),
            "settings": illustrated(to_png(settings_figure(result)), "searched settings"),
            **self.tracked.finish(
                {"best_macro_f1": result.best_value, **result.best_changes}, {"trials": trials}
            ),
        }
