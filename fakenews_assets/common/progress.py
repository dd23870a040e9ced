"""Progress of long work, for bars and for logs.

Every asset runs inside a `step`. The code that it calls reports with `report` and `advance`, which do nothing outside a
step. The step's log gets a line every ten seconds, even from code that reports nothing, and listeners are called twice
a second.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

LINE_SECONDS: Final = 10.0
"""Between two lines about the same step."""

_TELL_SECONDS: Final = 0.5
_BYTES: Final = "bytes"

Clock = Callable[[], float]


@dataclass(frozen=True)
class Progress:
    """Progress of a step. As text: counts, rate, remaining time, note."""

    task: str
    done: float = 0
    total: float | None = None
    """None: unknown."""
    unit: str = ""
    """What is counted, in the plural; empty: nothing is."""
    note: str = ""
    seconds: float = 0
    """Since this counting began."""
    rate: float = 0
    """Units per second since then; 0: none yet."""

    @property
    def seconds_left(self) -> float | None:
        """Estimate by the rate so far; None: unknown."""
        return max(self.total - self.done, 0) / self.rate if self.total and self.rate else None

    def __str__(self) -> str:
        parts = [_counted(self.done, self.total, self.unit)]
        if self.unit and self.rate:
            parts.append(_rate(self.rate, self.unit))
        if self.seconds_left is not None:
            parts.append(f"{clock_time(self.seconds_left)} left")
        if not any(parts):
            parts.append(f"{clock_time(self.seconds)} so far")
        return ", ".join(part for part in (*parts, self.note) if part)


Listener = Callable[[Progress], None]


class Lines:
    """A listener that writes at most one line every ten seconds, and none twice; work that is shorter gets none."""

    def __init__(self, write: Callable[[str], None], clock: Clock = time.monotonic) -> None:
        self._write = write
        self._clock = clock
        self._written = clock()
        self._line = ""

    def __call__(self, progress: Progress) -> None:
        now, line = self._clock(), f"{progress.task}: {progress}"
        if now - self._written >= LINE_SECONDS and line != self._line:
            self._written, self._line = now, line
            self._write(line)


class Step:
    """Collects what one step reports and tells it to listeners."""

    def __init__(self, task: str, listener: Listener, clock: Clock = time.monotonic) -> None:
        self._task = task
        self._listener = listener
        self._clock = clock
        self._said = Progress(task)
        self._part: tuple[int, int, str, str] | None = None
        self._shown = Progress(task)
        self._first, self._since = 0.0, clock()
        self._told = -_TELL_SECONDS

    def report(self, done: float, total: float | None, unit: str, note: str) -> None:
        self._said = Progress(self._task, done, total, unit, note)
        before, self._shown = self._shown, self._composed()
        counts_anew = (before.total, before.unit) != (self._shown.total, self._shown.unit)
        if counts_anew or self._shown.done < before.done:
            self._first, self._since = self._shown.done, self._clock()
        if self._clock() - self._told >= _TELL_SECONDS:
            self.tell()

    def advance(self, count: float) -> None:
        said = self._said
        self.report(said.done + count, said.total, said.unit, said.note)

    def enter(self, number: int, parts: int, unit: str, note: str) -> None:
        self._part = number, parts, unit, note
        self.report(0, None, "", "")

    def leave(self) -> None:
        self._part = None

    def tell(self) -> None:
        """Tell the listener again, by the clock of now."""
        self._told = now = self._clock()
        shown, seconds = self._shown, now - self._since
        rate = (shown.done - self._first) / seconds if seconds > 0 else 0
        self._listener(Progress(self._task, shown.done, shown.total, shown.unit, shown.note, seconds, rate))

    def _composed(self) -> Progress:
        said = self._said
        if self._part is None:
            return said
        number, parts, unit, name = self._part
        share = said.done / said.total if said.total else 0
        counted = _counted(said.done, said.total, said.unit)
        note = ", ".join(text for text in (name, counted, said.note) if text)
        return Progress(self._task, number + share, parts, unit, note)


_running: ContextVar[Step | None] = ContextVar("step", default=None)
_listeners: list[Listener] = []


@contextmanager
def step(task: str, log: logging.Logger | None = None) -> Iterator[None]:
    """Show what the block reports.

    Args:
        task: name of the step.
        log: gets a line every ten seconds.
    """
    lines = [Lines(log.info)] if log else []

    def tell(progress: Progress) -> None:
        for listener in (*_listeners, *lines):
            listener(progress)

    current, stop = Step(task, tell), threading.Event()

    def repeat() -> None:
        while not stop.wait(_TELL_SECONDS):
            current.tell()

    outer = _running.get()
    _running.set(current)
    thread = threading.Thread(target=repeat, name=f"progress of {task}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        current.tell()
        _running.set(outer)


def report(done: float = 0, total: float | None = None, unit: str = "", note: str = "") -> None:
    """Report the progress of the running step. Another unit or total, or a smaller `done`, begins a new count.

    Args:
        done: units done.
        total: units in all; None: unknown.
        unit: what is counted, in the plural.
        note: what is being done, or how it goes.
    """
    if (running := _running.get()) is not None:
        running.report(done, total, unit, note)


def advance(count: float) -> None:
    """Add units to the running step's count."""
    if (running := _running.get()) is not None:
        running.advance(count)


@contextmanager
def part(number: int, parts: int, unit: str, note: str = "") -> Iterator[None]:
    """Count what the block reports as one of several equal parts: the third of ten trials, say.

    Args:
        number: of this part, from 0.
        parts: how many there are.
        unit: what they are, in the plural.
        note: which one it is.
    """
    running = _running.get()
    if running is None:
        yield
        return
    running.enter(number, parts, unit, note)
    try:
        yield
    finally:
        running.leave()


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Hear of all steps of this process while the block runs."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def clock_time(seconds: float) -> str:
    """Minutes and seconds, with hours if there are any: 1:05, 2:00:10."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _counted(done: float, total: float | None, unit: str) -> str:
    if not unit or not (total or done):
        return ""
    scale, name, digits = (1e6, "MB", 1) if unit == _BYTES else (1, unit, 0)
    # Half a trial is none yet.
    so_far = done / scale if digits else int(done)
    of = f" of {total / scale:,.{digits}f}" if total else ""
    share = f" ({done / total:.0%})" if total else ""
    return f"{so_far:,.{digits}f}{of} {name}{share}"


def _rate(rate: float, unit: str) -> str:
    if unit == _BYTES:
        return f"{rate / 1e6:.1f} MB/s"
    if rate < 1:
        each = f"{1 / rate:.1f} s" if rate > 1 / 60 else clock_time(1 / rate)
        return f"{each} per {unit.removesuffix('s')}"
    return f"{rate:,.{0 if rate >= 10 else 1}f} {unit}/s"
