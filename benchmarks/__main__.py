"""`python -m benchmarks`: the benchmarks in `AREAS`, one after the other; their parts of results.md and results/*.json are
written anew. Those that need a quiet machine, a GPU or other models (cascade, gpu, inner_loop, ...) are run by name."""

import subprocess
import sys

AREAS = (
    "methods",
    "data",
    "training",
    "quality",
    "publishers",
    "linear_publishers",
    "compression",
    "serving",
    "monitoring",
    "trust",
    "scale",
)

for area in AREAS:
    subprocess.run([sys.executable, "-m", f"benchmarks.{area}"], check=True)
