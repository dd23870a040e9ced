"""Storage of a search's trials in an Optuna study."""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Final

import optuna
import polars as pl
from filelock import FileLock, Timeout
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState

from fakenews_assets.models.encoders import resolve, weights_digest
from fakenews_assets.training.search.result import RecordState, TrialRecord
from fakenews_assets.training.search.settings import SearchSettings
from fakenews_assets.training.settings import NOT_THE_RESULT

_NOT_THE_STUDY: Final = {"trials": True, "minutes": True, "base": NOT_THE_RESULT}
"""Settings that two calls may differ in and still add to the same study."""

_STATES: Final[dict[int, RecordState]] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}


class SearchFailed(RuntimeError):
    """The search cannot run or found nothing; the message says what to change."""


@contextmanager
def alone_in(work: Path) -> Iterator[None]:
    """Keep others out: they would take this process's running trial for one that was killed."""
    lock = FileLock(work / "search.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise SearchFailed(
            f"Another process searches in {work}; wait for it, or give another folder."
        ) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def open_study(file: Path, settings: SearchSettings) -> Iterator[optuna.Study]:
    """The study that a file holds, made if missing. Call it under `alone_in`."""
    if file.is_file():
        _drop_torn_line(file)
    storage = JournalStorage(JournalFileBackend(str(file), lock_obj=_NoLock(str(file))))
    with _quiet_optuna():
        yield optuna.create_study(
            storage=storage,
            study_name="search",
            load_if_exists=True,
            direction="maximize",
            pruner=optuna.pruners.MedianPruner(
                n_startup_trials=settings.pruner_trials, n_warmup_steps=settings.pruner_validations
            ),
        )


class _NoLock(JournalFileOpenLock):
    """`alone_in` keeps others out, and unlike Optuna's lock files its lock ends with the process."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass


def _drop_torn_line(file: Path) -> None:
    """Drop what a crash left of the last line: the next one would be appended to it, and neither be read again."""
    with file.open("r+b") as journal:
        journal.truncate(journal.read().rfind(b"\n") + 1)


def study_name(train: pl.DataFrame, val: pl.DataFrame, settings: SearchSettings) -> str:
    """Name everything that decides the value of a trial, and how its study is stored."""
    digest = hashlib.sha256()
    for part in (
        weights_digest(resolve(settings.base.encoder)),
        settings.model_dump_json(exclude=_NOT_THE_STUDY),
        version("optuna"),
        *(frame.select("title", "text", "label").write_ndjson() for frame in (train, val)),
    ):
        digest.update(hashlib.sha256(part.encode()).digest())
    return digest.hexdigest()[:32]


def record_of(trial: FrozenTrial) -> TrialRecord:
    """What is reported of a trial that has ended."""
    state = _STATES[trial.state]
    reached = trial.intermediate_values.values()
    return TrialRecord(
        number=trial.number,
        state=state,
        params=trial.params,
        value=trial.value if state == "complete" else max(reached, default=None),
        seconds=None if state == "failed" or trial.duration is None else trial.duration.total_seconds(),
        pruned_at_step=trial.user_attrs.get("pruned_at_step") if state == "pruned" else None,
    )


@contextmanager
def _quiet_optuna() -> Iterator[None]:
    """Keep Optuna's notes out of the log of whoever called."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(verbosity)
