"""Progress reports of long work.

Assets report; the command line listens and draws a bar. Without a listener a report costs nothing.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """How far one piece of work has come; `total` is None while nobody knows."""

    task: str
    done: float
    total: float | None = None
    note: str = ""


Listener = Callable[[Progress], None]

_listeners: list[Listener] = []


def report(task: str, done: float, total: float | None = None, note: str = "") -> None:
    """Tell every listener how far `task` has come."""
    for listener in _listeners:
        listener(Progress(task, done, total, note))


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Hear all reports of this process while the block runs."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
