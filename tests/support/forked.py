"""Processes of their own for tests, without the ten seconds that Python takes to import a training.

They are forked from a server that has imported it and nothing has run in: a fork of the tests' own process would inherit
locks that its threads hold.
"""

import gc
import os
import runpy
import signal
import sys
from collections.abc import Callable, Mapping
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, Final

_CONTEXT: Final = get_context("forkserver")
# Not the definitions: they read the environment, which is another one in each process.
_CONTEXT.set_forkserver_preload(
    [
        "tests.support.unswept",
        "tests.support.lean_dagster",
        "fakenews_assets.cli",
        "fakenews_assets.training.finetuning.finetuning",
        "fakenews_assets.evaluation.candidate",
        "fakenews_assets.selection.promotion",
        *(
            f"fakenews_assets.{group}.assets"
            for group in ("data", "training", "evaluation", "selection", "monitoring", "governance")
        ),
    ]
)


def start(
    function: Callable[..., object],
    *arguments: Any,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    output: Path | None = None,
) -> ForkServerProcess:
    """Call a function of a module in a new process.

    Args:
        function: importable, as pickle asks for.
        arguments: of the function.
        environment: changes to this process's environment, which it gets.
        folder: its working directory; None: that of this process.
        output: file to which what it prints is appended.
    """
    variables = os.environ | (environment or {})
    process = _CONTEXT.Process(
        target=_call, args=(function, arguments, variables, folder or Path.cwd(), output)
    )
    process.start()
    return process


def wait(process: ForkServerProcess) -> int:
    """The exit status of a process, when it has ended; that of a kill is negative."""
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def kill_at_call(holder: Any, name: str, count: int) -> None:
    """Let this process be killed when an attribute of a module or class is called after `count` calls."""
    original = getattr(holder, name)
    left = count

    def die(*arguments: Any, **named: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments, **named)

    setattr(holder, name, die)


def _call(
    function: Callable[..., object],
    arguments: tuple[Any, ...],
    environment: dict[str, str],
    folder: Path,
    output: Path | None,
) -> None:
    gc.freeze()
    gc.enable()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    if output is not None:
        file = os.open(output, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        os.dup2(file, 1)
        os.dup2(file, 2)
    function(*arguments)


def fakenews(*arguments: str) -> None:
    """`python -m fakenews_assets`, as a function for `start`."""
    sys.argv[1:] = arguments
    runpy.run_module("fakenews_assets", run_name="__main__")
