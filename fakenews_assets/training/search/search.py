"""Hyperparameter search with Optuna, by many short trainings."""

import math
import platform
import shutil
import time
from collections.abc import Iterator
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Final

import numpy as np
import optuna
import polars as pl
from optuna.trial import FrozenTrial, Trial, TrialState

from fakenews_assets.common.progress import part
from fakenews_assets.training.finetuning.finetuning import finetune
from fakenews_assets.training.finetuning.history import Progress
from fakenews_assets.training.search.result import SearchResult, TrialListener
from fakenews_assets.training.search.settings import SearchSettings
from fakenews_assets.training.search.study import SearchFailed, alone_in, open_study, record_of, study_name
from fakenews_assets.training.settings import FinetuneSettings

_NEVER: Final = 1_000_000_000
"""Steps between checkpoints of a trial: it is never resumed."""


class _OutOfTime(Exception):
    """Ends the running trial."""


def search(
    train: pl.DataFrame,
    val: pl.DataFrame,
    settings: SearchSettings,
    work: Path,
    on_trial: TrialListener | None = None,
) -> SearchResult:
    """Search around `settings.base` until the number of trials or the time limit is reached.

    All trials share one draw of rows and one seed: only the settings vary behind their figures, and a small gain may
    be chance.

    The first trial is the base itself, as far as it lies within the bounds. Every other is drawn from the seed and
    the finished trials alone, so a killed search resumes with the same result.

    Args:
        train: columns `title`, `text` and `label` (0 real, 1 fake), no nulls, already cleaned; others, such as
            `source`, reach each training.
        val: the same, what trials are judged on.
        settings: what is searched, around what, and for how long.
        work: folder that outlives a killed process. The same call with the same folder adds to the trials it
            holds; other rows, settings or weights begin anew. Tokenised tables are kept for the next trial,
            models are not.
        on_trial: called with every trial that ended in this call, failed ones included.

    Raises:
        EncoderUnavailable: the pretrained weights are not here.
        TrainingFailed: the tables cannot be trained on.
        SearchFailed: another process searches in `work`, the base needs several processes, or all trials diverged.
    """
    processes = settings.base.devices * settings.base.num_nodes
    if processes > 1:
        raise SearchFailed(
            f"A search trains in one process, not in {processes}; set devices and num_nodes to 1."
        )
    began = time.perf_counter()
    train = _draw(train, settings.rows, settings.seed)
    val = _draw(val, settings.val_rows, settings.seed)
    work.mkdir(parents=True, exist_ok=True)
    file = work / f"{study_name(train, val, settings)}.journal"
    with alone_in(work), open_study(file, settings) as study:
        _Trials(study, train, val, settings, work / "trial", began).run(on_trial)
        trials = study.trials
    complete = [trial for trial in trials if trial.state is TrialState.COMPLETE]
    if not complete:
        raise SearchFailed(
            f"All {len(trials)} trials diverged (non-finite loss); lower the bounds of learning_rate."
        )
    best = max(complete, key=lambda trial: trial.values[0])
    return SearchResult(
        settings=settings,
        train_rows=len(train),
        val_rows=len(val),
        best_trial=best.number,
        best_value=best.values[0],
        best_changes=best.params,
        trials=tuple(record_of(trial) for trial in trials),
        seconds=time.perf_counter() - began,
        versions={"python": platform.python_version()}
        | {package: version(package) for package in ("optuna", "torch", "transformers", "lightning")},
    )


class _Trials:
    """Runs the trials of one call."""

    def __init__(
        self,
        study: optuna.Study,
        train: pl.DataFrame,
        val: pl.DataFrame,
        settings: SearchSettings,
        scratch: Path,
        began: float,
    ) -> None:
        self.study = study
        self.train = train
        self.val = val
        self.settings = settings
        self.scratch = scratch
        self.deadline = math.inf if settings.minutes is None else began + 60 * settings.minutes

    def run(self, on_trial: TrialListener | None) -> None:
        """Add trials until there are enough or time is up."""
        for killed in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            self.study.tell(killed.number, state=TrialState.FAIL)
        _clean(self.scratch)
        while len(self._finished()) < self.settings.trials and not self._out_of_time():
            done = len(self._finished())
            trial = self._next()
            try:
                with part(done, self.settings.trials, "trials"):
                    self._run(trial)
            except _OutOfTime:
                break
            finally:
                _clean(self.scratch)
                if on_trial:
                    on_trial(record_of(self.study.trials[trial.number]))

    def _run(self, trial: Trial) -> None:
        """Train one trial and tell the study how it ended; errors are passed on."""
        # Validations and not steps: how many steps there are depends on the batch size.
        validations = count()
        try:
            result = finetune(
                self.train,
                self.val,
                self._suggest(trial),
                self.scratch / "model",
                self.scratch,
                lambda progress: self._follow(trial, progress, validations),
            )
        except optuna.TrialPruned:
            self.study.tell(trial, state=TrialState.PRUNED)
        except BaseException:
            self.study.tell(trial, state=TrialState.FAIL)
            raise
        else:
            self.study.tell(trial, result.best.macro_f1)

    def _follow(self, trial: Trial, progress: Progress, validations: Iterator[int]) -> None:
        if self._out_of_time():
            raise _OutOfTime
        point = progress.validation
        if point is None:
            return
        diverged = not math.isfinite(point.loss)
        if not diverged:
            trial.report(point.macro_f1, next(validations))
        if diverged or trial.should_prune():
            trial.set_user_attr("pruned_at_step", progress.step)
            raise optuna.TrialPruned

    def _next(self) -> Trial:
        finished = len(self._finished())
        # A seed of its own for each trial: one sampler would repeat its first draws after every resumption.
        seed = int(np.random.SeedSequence([self.settings.seed, finished]).generate_state(1)[0])
        self.study.sampler = optuna.samplers.TPESampler(
            seed=seed, n_startup_trials=self.settings.random_trials
        )
        if finished == 0 and not self.study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            within = {
                name: value
                for name, (low, high) in self.settings.bounds.items()
                if (value := getattr(self.settings.base, name)) is not None and low <= value <= high
            }
            within |= {
                name: value
                for name, values in self.settings.choices.items()
                if (value := getattr(self.settings.base, name)) in values
            }
            self.study.enqueue_trial(within)
        return self.study.ask()

    def _suggest(self, trial: Trial) -> FinetuneSettings:
        for name, (low, high) in self.settings.bounds.items():
            trial.suggest_float(name, low, high, log=name == "learning_rate")
        for name, values in self.settings.choices.items():
            trial.suggest_categorical(name, values)
        changes = {
            "epochs": self.settings.epochs,
            "evaluations_per_epoch": self.settings.evaluations_per_epoch,
            "resume": False,
            "checkpoint_every": _NEVER,
        }
        return FinetuneSettings.model_validate(self.settings.base.model_dump() | trial.params | changes)

    def _finished(self) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))

    def _out_of_time(self) -> bool:
        # Without a finished trial there would be nothing to show for the time.
        return time.perf_counter() > self.deadline and bool(self._finished())


def _draw(frame: pl.DataFrame, rows: int | None, seed: int) -> pl.DataFrame:
    return frame if rows is None or rows >= len(frame) else frame.sample(rows, seed=seed)


def _clean(scratch: Path) -> None:
    """Remove whatever a training left there, but for the tokenised tables."""
    scratch.mkdir(exist_ok=True)
    for leftover in scratch.iterdir():
        if leftover.is_file():
            leftover.unlink()
        elif leftover.name != "tokens":
            shutil.rmtree(leftover)
