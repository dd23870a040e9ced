"""How a command fails: with a message for the person at the terminal and exit status 1."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.markup import escape

_INTERRUPTED = 130
"""What shells expect of a program that Ctrl+C has ended."""


class CommandFailed(RuntimeError):
    """A command cannot do what it was asked to; the message says why, and what to do next."""


class CommandCanceled(RuntimeError):
    """A person has interrupted a command or canceled its run; the message says what was stored before."""


@contextmanager
def abort_on_failure() -> Iterator[None]:
    """End a command that cannot do what it was asked to, or was interrupted, with one message instead of a stack trace.

    The exit status is 1, or 130 after an interrupt.
    """
    from fakenews_assets.common.config import ImpossibleSettings
    from fakenews_resources.storage.backend import StoreError

    try:
        yield
    except (CommandFailed, ImpossibleSettings, StoreError) as error:
        _print(f"[bold red]Failed:[/] {escape(str(error))}")
        raise typer.Exit(1) from None
    except (CommandCanceled, KeyboardInterrupt) as error:
        _print(f"[bold]Canceled.[/] {escape(str(error))}")
        raise typer.Exit(_INTERRUPTED) from None


def _print(message: str) -> None:
    from rich.console import Console

    Console(stderr=True).print(message.rstrip(), highlight=False, soft_wrap=True)
