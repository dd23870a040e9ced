"""Processes of their own for tests, without the ten seconds that Python takes to import a training.

They are forked from a server that has imported it and nothing has run in: a fork of the tests' own process would inherit
locks that its threads hold.
"""

import os
from collections.abc import Callable, Mapping
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, Final

_CONTEXT: Final = get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    ["fakenews_assets.cli.running", "fakenews_assets.definitions", "fakenews_assets.training.finetuning"]
)


def start(
    function: Callable[..., object],
    *arguments: Any,
    environment: Mapping[str, str] | None = None,
    errors: Path | None = None,
) -> ForkServerProcess:
    """Call a function of a module in a new process, which has this one's environment and working directory.

    Args:
        function: importable, as pickle asks for.
        arguments: of the function.
        environment: changes to this process's environment.
        errors: file to which what is written to standard error is appended.
    """
    variables = os.environ | (environment or {})
    process = _CONTEXT.Process(target=_call, args=(function, arguments, variables, Path.cwd(), errors))
    process.start()
    return process


def wait(process: ForkServerProcess) -> int:
    """The exit status of a process, when it has ended; that of a kill is negative."""
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def _call(
    function: Callable[..., object],
    arguments: tuple[Any, ...],
    environment: dict[str, str],
    folder: Path,
    errors: Path | None,
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    if errors is not None:
        os.dup2(os.open(errors, os.O_CREAT | os.O_APPEND | os.O_WRONLY), 2)
    function(*arguments)
