"""A load generator in a process of its own."""

import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.load.results import RESULT, Load, Result


class LoadProcess:
    """A load generator under way in a process of its own."""

    def __init__(self, load: Load, titles: Path) -> None:
        """Args: titles: a file with a JSON array of them."""
        options = {
            "url": load.url, "titles": titles, "clients": load.clients, "seconds": load.seconds,
            "warm-up": load.warm_up, "rate": load.rate, "rows": load.rows, "patience": load.patience,
        }  # fmt: skip
        given = [f"--{name}={value}" for name, value in options.items() if value is not None]
        # Into a file: a pipe that nobody reads yet would block it.
        self._answer = tempfile.TemporaryFile()  # noqa: SIM115
        given += [f"--{name}" for name in ("ids", "classify") if getattr(load, name)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.load", *given],
            cwd=Path(__file__).parents[2],
            stdout=self._answer,
        )

    def result(self) -> Result:
        """Wait for its end. Raises CalledProcessError if it failed; its message is on stderr."""
        code = self.process.wait()
        if code:
            raise subprocess.CalledProcessError(code, self.process.args)
        with self._answer as file:
            file.seek(0)
            return RESULT.validate_json(file.read())


def measure(load: Load, titles: Path) -> Result:
    """Put a load on a server from a process of its own, and wait for the result."""
    return LoadProcess(load, titles).result()
