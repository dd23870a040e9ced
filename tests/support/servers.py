"""Real BentoML servers for tests."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

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

    def kill(self) -> None:
        """As `kill -9` would, all of its processes."""
        processes.end(self.process)


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
