"""Times what a developer waits for, each in a fresh clone of the committed tree: install, demo, check and the whole CI.

Demo and CI include the installation. Check is timed when it runs for the second time, as before each commit.

    python -m benchmarks.inner_loop demo check ci

A part that is not named keeps its figure. Run it on a machine that does nothing else.
"""

import subprocess
import sys
import tempfile
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from benchmarks.common import ROOT, describe_machine, stored_results, write_results

console = Console()


class Part(StrEnum):
    """What is timed."""

    install = "install"
    demo = "demo"
    check = "check"
    ci = "ci"


_COMMANDS: Final = {
    Part.install: ["make", "install"],
    Part.demo: ["make", "demo"],
    Part.check: ["make", "check"],
    Part.ci: [".ci/run"],
}
_TARGETS: Final = {Part.demo: 300, Part.check: 90, Part.ci: 720}


def measure(part: Part) -> float:
    """Seconds of a part, in a clone of its own.

    Raises:
        CalledProcessError: it failed; its output is above.
    """
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "fakenews"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        if part is Part.check:
            subprocess.run(_COMMANDS[part], cwd=clone, check=True, stdout=sys.stderr)
        began = time.perf_counter()
        subprocess.run(_COMMANDS[part], cwd=clone, check=True, stdout=sys.stderr)
        return time.perf_counter() - began


def main(parts: Annotated[list[Part], typer.Argument(help="What to time.")]) -> None:
    """Measure and write results/throughput.json."""
    numbers, raw = stored_results("throughput")
    for part in parts:
        numbers[f"{part}_seconds"] = measure(part)
        raw[f"{part}"] = describe_machine(["torch", "dagster"])
        console.print(f"{part}: {numbers[f'{part}_seconds']:.0f} s")
    lines = [
        "Seconds in a fresh clone, installation included (wheels at hand), but `make check`: its second run. `.ci/run` is"
        " `make test`: everything.",
        "",
        "| command | seconds | target |",
        "| --- | ---: | ---: |",
        *(
            f"| `{' '.join(_COMMANDS[part])}` | {numbers[f'{part}_seconds']:.0f} | {_TARGETS.get(part, '')} |"
            for part in Part
            if f"{part}_seconds" in numbers
        ),
    ]
    write_results("throughput", numbers, raw, "Inner loop", lines)


if __name__ == "__main__":
    typer.run(main)
