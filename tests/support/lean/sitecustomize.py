"""Python imports this by itself in processes whose PYTHONPATH names this folder: Dagster's own are lean, see lean_dagster."""

import gc
import runpy
import sys
from pathlib import Path

# Else looking for garbage takes a fifth of the time of imports: they make objects that stay.
gc.set_threshold(100_000, 50, 1_000)

# Not in what these start besides, such as Python's resource tracker and `bentoml build`: it would import Dagster first.
if any(
    name in argument for name in ("dagster", "spawn_main", "forkserver") for argument in sys.orig_argv[1:]
):
    runpy.run_path(str(Path(__file__).parents[1] / "lean_dagster.py"))
