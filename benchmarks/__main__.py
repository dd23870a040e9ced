"""`python -m benchmarks`: every benchmark but the drills (rollout, outages), one after the other; results.md and
results/*.json are written anew."""

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
