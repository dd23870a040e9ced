"""How a command fails: with a message for the person at the terminal and exit status 1."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer


class CommandFailed(RuntimeError):
    """A command cannot do what it was asked to; the message says why, and what to do next."""


@contextmanager
def abort_on_failure() -> Iterator[None]:
    """Turn a failed command, or a storage that cannot be used, into its message and exit status 1, without a stack trace."""
    from fakenews_resources.storage.backend import StoreError

    try:
        yield
    except (CommandFailed, StoreError) as error:
        from rich.console import Console
        from rich.markup import escape

        Console(stderr=True).print(
            f"[bold red]Failed:[/] {escape(str(error))}", highlight=False, soft_wrap=True
        )
        raise typer.Exit(1) from None
