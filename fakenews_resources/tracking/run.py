"""A W&B run whose failures never reach the asset that uses it."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

import dagster as dg
import polars as pl

from fakenews_resources.storage.backend import Backend

if TYPE_CHECKING:  # wandb takes a second to import
    from wandb.sdk.wandb_run import Run

Number = int | float | bool | str | None

_T = TypeVar("_T")


@dataclass(frozen=True)
class Limits:
    """Time limits of an asset's tracking, and the registry collection of its model."""

    patience_seconds: float
    """For everything except a model's files."""
    upload_seconds: float
    """Additional time for a model's files."""
    registry: str | None
    """Collection of the registry; None: no link."""


class Tracked:
    """A W&B run that starts at its first use, or a disabled one.

    No method raises, and all together take no longer than the limits. A tracking failure logs a warning and never
    fails a training.
    """

    def __init__(
        self,
        name: str,
        limits: Limits,
        warn: Callable[[str], object],
        start: "Callable[[], Run] | None",
        copies: Backend | None = None,
    ) -> None:
        """Args: start: opens the run; None disables tracking. copies: gets the folders of runs that are not on the
        server, where this disk may not outlive the step.
        """
        self.resumed = False
        self._name = name
        self._start = start
        self._limits = limits
        self._warn = warn
        self._left = limits.patience_seconds
        self._copies = copies
        self._warned = False
        self._run: Run | None = None
        self._backend: dict[str, dg.MetadataValue] = {}

    def resume(self) -> None:
        """Go on with the run of the killed attempt, instead of beginning another one. Call it before anything is
        logged."""
        self.resumed = True

    def log(self, values: Mapping[str, Number], step: int | None = None) -> None:
        """Add a row to the run's history. Steps must not decrease; values of the same step share a row."""
        self._on_run("numbers", lambda run: run.log(dict(values), step=step))

    def model(self, name: str, folder: Path, *, aliases: Sequence[str], metadata: Mapping[str, Any]) -> None:
        """Add a model's files as a version of an artifact, and link it to the registry.

        Equal files are the same version, which gets the aliases. An offline run cannot link.

        Args:
            name: of the artifact.
            folder: must not change: files are uploaded from there, now or by `wandb sync`.
            aliases: names of this version.
            metadata: shown beside it.
        """
        seconds, registry = self._limits.upload_seconds, self._limits.registry

        def act(run: "Run") -> None:
            from wandb import Artifact

            artifact = Artifact(name, type="model", metadata=dict(metadata))
            artifact.add_dir(str(folder), policy="immutable", skip_cache=True)
            logged = run.log_artifact(artifact, aliases=list(aliases))
            if not run.offline:
                logged.wait(timeout=round(seconds))
                if registry:
                    run.link_artifact(logged, registry, aliases=list(aliases))

        self._left += seconds
        self._on_run("the model", act)

    def show(
        self,
        results: Mapping[str, Number] | None = None,
        tables: Mapping[str, pl.DataFrame] | None = None,
        plots: Path | None = None,
    ) -> dict[str, dg.MetadataValue]:
        """Add results to the run and keep it open.

        Args:
            results: values without a history.
            tables: by name.
            plots: every PNG file in this folder is added.

        Returns:
            Metadata with the run's address for the Dagster UI; empty if there is no run.
        """
        if results:
            self._on_run("results", lambda run: run.summary.update(dict(results)))
        for name, rows in (tables or {}).items():
            self._on_run(f"the table {name}", partial(_add_table, name, rows))
        if plots is not None:
            self._on_run("plots", partial(_add_plots, plots))
        return self._backend

    def finish(
        self,
        results: Mapping[str, Number] | None = None,
        tables: Mapping[str, pl.DataFrame] | None = None,
        plots: Path | None = None,
    ) -> dict[str, dg.MetadataValue]:
        """Add results like `show`, and end the run."""
        backend = self.show(results, tables, plots)
        self._end(0)
        return backend

    def abandon(self) -> None:
        """End the run as failed, if it is open."""
        self._start = None
        self._end(1)

    def _end(self, exit_code: int) -> None:
        self._on_run("the end of the run", lambda run: run.finish(exit_code=exit_code))
        run = self._run
        if run is not None and self._copies is not None and (run.offline or self._warned):
            self._left += self._limits.upload_seconds
            self._guarded("a copy of the folder", partial(_copy, Path(run.settings.sync_dir), self._copies))
        self._run = None

    def _on_run(self, what: str, action: Callable[["Run"], object]) -> None:
        if self._start is not None:
            start, self._start = self._start, None
            self._run = self._guarded("the start of the run", start)
            if self._run is not None:
                url, folder = self._run.url, self._folder(self._run)
                self._backend = {"wandb": dg.MetadataValue.url(url) if url else dg.MetadataValue.path(folder)}
        run = self._run
        if run is not None:
            self._guarded(what, lambda: action(run))

    def _guarded(self, what: str, action: Callable[[], _T]) -> _T | None:
        began = monotonic()
        try:
            return _within(max(0.0, self._left), action)
        # The one place where any error will do: wandb raises what its server, its own process, the disk and its
        # validation come up with, and none of it may cost the training that it watches.
        except Exception as error:  # noqa: BLE001
            if not self._warned:
                self._warn(
                    f"Weights & Biases did not accept {what} of {self._name} ({type(error).__name__}: {error})."
                    f" Nothing else is affected.{self._what_to_do()}"
                )
            self._warned = True
            return None
        finally:
            self._left -= monotonic() - began

    def _what_to_do(self) -> str:
        run = self._run
        return f" To upload the run later: wandb sync {self._folder(run)}" if run else ""

    def _folder(self, run: "Run") -> str:
        folder = run.settings.sync_dir
        return f"{self._copies.address}/{Path(folder).name}" if self._copies else folder


def _copy(folder: Path, copies: Backend) -> None:
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            copies.put(file, f"{folder.name}/{file.relative_to(folder).as_posix()}")


def _add_table(name: str, rows: pl.DataFrame, run: "Run") -> None:
    from wandb import Table

    columns: list[str | int] = [*rows.columns]
    data: list[Any] = [list(row) for row in rows.rows()]
    run.log({name: Table(columns=columns, data=data, allow_mixed_types=True)})


def _add_plots(folder: Path, run: "Run") -> None:
    from wandb import Image

    run.log({f"plots/{file.stem}": Image(str(file)) for file in sorted(folder.glob("*.png"))})


def _within(seconds: float, action: Callable[[], _T]) -> _T:
    """Run `action` in a thread with a time limit. Raises TimeoutError, or what `action` raises."""
    done: Future[_T] = Future()

    def work() -> None:
        try:
            done.set_result(action())
        except BaseException as error:  # noqa: BLE001 - raised again where it is awaited
            done.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    try:
        return done.result(seconds)
    except TimeoutError as error:
        raise TimeoutError(f"no end after {seconds:.0f} s") from error
