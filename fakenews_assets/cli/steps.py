"""How the command line shows the steps of a run: bars in a terminal, lines where output is kept."""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Self

import dagster as dg
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from typing_extensions import override

from fakenews_assets.common import progress

_POLL_SECONDS = 0.25
_STEP_EVENTS = {
    dg.DagsterEventType.STEP_START,
    dg.DagsterEventType.STEP_SUCCESS,
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.STEP_UP_FOR_RETRY,
}


def shown_steps(
    console: Console, names: Sequence[str], todo: Collection[str] | None = None, suffix: str = ""
) -> "Steps":
    """Steps as they suit a console.

    Args:
        console: where to.
        names: of the steps, in order.
        todo: those that will run; the others are up to date. None: all.
        suffix: stands behind each name.
    """
    kind = Bars if console.is_terminal else Lines
    return kind(console, names, names if todo is None else todo, suffix)


@contextmanager
def shown_step(console: Console, name: str) -> Iterator[None]:
    """Show the block as a step, with the progress that it reports."""
    with shown_steps(console, [name]) as steps, progress.listening(steps.show):
        steps.start(name)
        failed = True
        try:
            with progress.step(name):
                yield
            failed = False
        finally:
            steps.finish(name, failed=failed)


class Steps(ABC):
    """Shows which steps run, their progress, and how they ended."""

    @abstractmethod
    def __enter__(self) -> Self: ...

    @abstractmethod
    def __exit__(self, *_: object) -> None: ...

    @abstractmethod
    def start(self, name: str) -> None:
        """Show that a step runs."""

    @abstractmethod
    def show(self, report: progress.Progress) -> None:
        """Show the progress of a step; other tasks are left out."""

    @abstractmethod
    def note(self, name: str, text: str) -> None:
        """Show a line of progress that a step has written into its run's log."""

    @abstractmethod
    def finish(self, name: str, *, failed: bool) -> None:
        """Show how a step ended."""

    @contextmanager
    def following(self, instance: dg.DagsterInstance, run_id: str) -> Iterator[None]:
        """Mark steps as started, done or failed, as the run's events say."""
        stop = threading.Event()

        def poll() -> None:
            cursor: str | None = None
            while True:
                last_round = stop.wait(_POLL_SECONDS)
                if instance.has_run(run_id):
                    found = instance.get_records_for_run(run_id, cursor=cursor, of_type=_STEP_EVENTS)
                    cursor = found.cursor
                    for record in found.records:
                        self.mark(record.event_log_entry)
                if last_round:
                    return

        thread = threading.Thread(target=poll, name="step events", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def mark(self, entry: dg.EventLogEntry) -> None:
        """Show what an entry of the run's log says of a step."""
        name, kind = entry.step_key or "", entry.dagster_event_type
        if kind == dg.DagsterEventType.STEP_START:
            self.start(name)
        elif kind in (dg.DagsterEventType.STEP_SUCCESS, dg.DagsterEventType.STEP_FAILURE):
            self.finish(name, failed=kind == dg.DagsterEventType.STEP_FAILURE)
        elif kind == dg.DagsterEventType.STEP_UP_FOR_RETRY:
            retry = entry.get_dagster_event().step_retry_data
            # Dagster puts its own exception around the step's, whose message begins with its class.
            reason = (
                retry.error.cause.message.partition(": ")[2].strip()
                if retry.error and retry.error.cause
                else ""
            )
            self.note(
                name, f"tries again in {retry.seconds_to_wait or 0:.0f} s: {reason or 'could not fetch'}"
            )
        elif kind is None and entry.user_message.startswith(f"{name}: "):
            self.note(name, entry.user_message.removeprefix(f"{name}: "))


class Bars(Steps):
    """A bar for each step: waiting, running with what it reports, done."""

    def __init__(self, console: Console, names: Sequence[str], todo: Collection[str], suffix: str) -> None:
        self._progress = Progress(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=28),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[note]}"),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}
        for name in names:
            task = self._progress.add_task(f"{name}{escape(suffix)}", start=False, total=1, note="waiting")
            self._tasks[name] = task
            if name not in todo:
                self._progress.start_task(task)
                self._progress.update(task, completed=1, note="up to date")

    @override
    def __enter__(self) -> Self:
        self._progress.start()
        return self

    @override
    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    @override
    def start(self, name: str) -> None:
        self._progress.start_task(self._tasks[name])
        self._progress.update(self._tasks[name], note="")

    @override
    def show(self, report: progress.Progress) -> None:
        if report.task in self._tasks:
            # A finished fraction of less than one: only the step's end completes the bar.
            total = max(report.total or report.done * 2, report.done * 1.01, 1e-9)
            self._progress.update(
                self._tasks[report.task], completed=report.done, total=total, note=escape(str(report))
            )

    @override
    def note(self, name: str, text: str) -> None:
        self._progress.update(self._tasks[name], note=escape(text))

    @override
    def finish(self, name: str, *, failed: bool) -> None:
        self._progress.update(
            self._tasks[name], completed=0 if failed else 1, total=1, note="[red]failed" if failed else ""
        )
        self._progress.stop_task(self._tasks[name])


class Lines(Steps):
    """A line for each step that ends, and one every ten seconds while it runs."""

    def __init__(self, console: Console, names: Sequence[str], todo: Collection[str], suffix: str) -> None:
        self._console = console
        self._names = names
        self._todo = todo
        self._suffix = suffix
        self._running: dict[str, tuple[float, progress.Lines]] = {}

    @override
    def __enter__(self) -> Self:
        for name in self._names:
            if name not in self._todo:
                self._write(f"{name}{self._suffix}: up to date")
        return self

    @override
    def __exit__(self, *_: object) -> None: ...

    @override
    def start(self, name: str) -> None:
        self._running[name] = time.monotonic(), progress.Lines(self._write)

    @override
    def show(self, report: progress.Progress) -> None:
        if report.task in self._running:
            _, lines = self._running[report.task]
            lines(replace(report, task=f"{report.task}{self._suffix}"))

    @override
    def note(self, name: str, text: str) -> None:
        self._write(f"{name}{self._suffix}: {text}")

    @override
    def finish(self, name: str, *, failed: bool) -> None:
        began, _ = self._running.pop(name)
        took = progress.clock_time(time.monotonic() - began)
        self._write(f"{name}{self._suffix}: {'failed after' if failed else 'done in'} {took}")

    def _write(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)
