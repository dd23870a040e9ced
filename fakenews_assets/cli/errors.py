"""How a command fails: with a message for the person at the terminal and exit status 1."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import typer
from rich.markup import escape

from fakenews_resources.project import project_path

_WRITTEN_TO: Final = {"DAGSTER_HOME": ".dagster", "FAKENEWS_STORAGE": ".fakenews"}
_IO_ERROR: Final = "disk I/O error"
"""What SQLite says of a full disk where it cannot make room for its journal, and of a broken one."""
_NOTHING: Final = 2**20
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
    from fakenews_assets.common.full_disk import is_of_a_full_disk
    from fakenews_resources.storage.backend import StoreError

    try:
        yield
    except (CommandFailed, ImpossibleSettings, StoreError) as error:
        _print(f"[bold red]Failed:[/] {escape(str(error))}")
        if is_of_a_full_disk(error):
            _print(_say_room())
        raise typer.Exit(1) from None
    except (CommandCanceled, KeyboardInterrupt) as error:
        _print(f"[bold]Canceled.[/] {escape(str(error))}")
        raise typer.Exit(_INTERRUPTED) from None
    except Exception as error:  # Dagster's database raises what its driver does
        if not is_of_a_full_disk(error) and not (
            _IO_ERROR in str(error) and min(_room().values(), default=0) < _NOTHING
        ):
            raise
        first, *_ = str(error).splitlines()
        _print(f"[bold red]Failed:[/] The disk is full: {escape(first)}")
        _print(_say_room())
        raise typer.Exit(1) from None


def _room() -> dict[str, int]:
    """Bytes that are left where commands write."""
    folders = {name: project_path(os.environ.get(name, own)) for name, own in _WRITTEN_TO.items()}
    return {
        f"{name} ({folder})": shutil.disk_usage(folder).free
        for name, folder in folders.items()
        if folder.exists()
    }


def _say_room() -> str:
    left = [f"{free / 1e6:,.1f} MB are left for {escape(where)}." for where, free in _room().items()]
    return " ".join([*left, "Free space, then run the same command again."])


def _print(message: str) -> None:
    from rich.console import Console

    Console(stderr=True).print(message.rstrip(), highlight=False, soft_wrap=True)
