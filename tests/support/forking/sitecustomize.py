"""A code server forks its runs in tests: one process has imported what they need, for which each would take seconds.

What tests/support/lean says holds too. Python imports this by itself in processes whose PYTHONPATH names this folder.
"""

import multiprocessing
import runpy
import sys
from multiprocessing import forkserver
from multiprocessing.context import BaseContext
from pathlib import Path

runpy.run_path(str(Path(__file__).parents[1] / "lean" / "sitecustomize.py"))

_ORIGINAL = multiprocessing.get_context


def _forking(method: str | None = None) -> BaseContext:
    return _ORIGINAL("forkserver" if method == "spawn" else method)


if {"api", "grpc"} <= set(sys.orig_argv):
    multiprocessing.get_context = _forking
    forkserver.set_forkserver_preload(
        [
            "fakenews_assets.definitions",
            "fakenews_assets.training.finetuning.finetuning",
            "fakenews_assets.evaluation.candidate",
            "fakenews_assets.selection.promotion",
        ]
    )
    # Now, so that the first run does not wait for it.
    forkserver.ensure_running()
