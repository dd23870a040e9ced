"""Real BentoML servers for tests."""

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from fakenews_resources import processes

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Server(processes.Server):
    """A running service."""

    log: Path
    """Folder of its prediction log."""
    models: Path

    def metric(self, name: str) -> float:
        """Sum of the metrics whose names, with labels, begin so."""
        lines = httpx.get(f"{self.url}/metrics").text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(name))

    def access_lines(self, **values: object) -> list[dict[str, Any]]:
        """Lines of the access log with these values; a line may come a moment after its answer."""
        deadline = time.monotonic() + 30
        while True:
            whole = self.printed().split("\n")[:-1]
            lines = (json.loads(line) for line in whole if line.startswith("{"))
            found = [line for line in lines if values.items() <= line.items()]
            if found or time.monotonic() > deadline:
                return found
            time.sleep(0.05)

    def kill_worker(self) -> None:
        """As `kill -9` or the system without memory would; the supervisor starts another one."""
        (worker,) = psutil.Process(self.process.pid).children()
        worker.kill()
        worker.wait()


@contextmanager
def serve(
    folder: Path, models: Path, environment: Mapping[str, str] | None = None, *, ready: bool = True
) -> Iterator[Server]:
    """Run `bentoml serve` on a free port, with its log below `folder`.

    Raises:
        ServerFailed: it was not ready in time; the message ends with what it printed.
    """
    own = {
        "FAKENEWS_MODELS": str(models),
        "FAKENEWS_LOG": str(folder / "log"),
        "BENTOML_HOME": str(folder / "bentoml"),
        "FAKENEWS_WATCH_SECONDS": "0.2",
        **(environment or {}),
    }
    arguments = ["bentoml", "serve", "bentos.fakenews.service:FakeNews", "--host", "127.0.0.1"]
    path = "/readyz" if ready else "/livez"
    with processes.serving(arguments, REPOSITORY, os.environ | own, ready=path, grace=0) as server:
        yield Server(server.url, server.process, server.output, folder / "log", models)
