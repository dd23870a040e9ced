"""Real BentoML servers for tests."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

REPOSITORY = Path(__file__).parents[1]


@dataclass(frozen=True)
class Server:
    """A running service."""

    url: str
    process: "subprocess.Popen[bytes]"
    log: Path
    """Folder of its prediction log."""
    models: Path

    def kill(self) -> None:
        """As `kill -9` would, all of its processes."""
        kill_tree(self.process)


def kill_tree(process: "subprocess.Popen[bytes]") -> None:
    """Kill a process and all that descend from it; BentoML's workers have sessions of their own."""
    try:
        family = [psutil.Process(process.pid)]
    except psutil.NoSuchProcess:
        return
    family += family[0].children(recursive=True)
    for member in family:
        with suppress(psutil.NoSuchProcess):
            member.kill()
    process.wait()


@contextmanager
def serve(
    folder: Path, models: Path, environment: Mapping[str, str] | None = None, *, ready: bool = True
) -> Iterator[Server]:
    """Run `bentoml serve` on a free port, with its log below `folder`.

    Raises:
        AssertionError: it was not ready in time; the message ends with what it printed.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    printed = folder / "server.txt"
    own = {
        "FAKENEWS_MODELS": str(models),
        "FAKENEWS_LOG": str(folder / "log"),
        "BENTOML_HOME": str(folder / "bentoml"),
        "FAKENEWS_WATCH_SECONDS": "0.2",
        **(environment or {}),
    }
    command = ["-m", "bentoml", "serve", "bentos.fakenews.service:FakeNews", "--host", "127.0.0.1"]
    with printed.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command, "--port", str(port)],
            cwd=REPOSITORY,
            env=os.environ | own,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Server(f"http://127.0.0.1:{port}", process, folder / "log", models)
    try:
        wait_until_up(server.url, "/readyz" if ready else "/livez", process, printed)
        yield server
    finally:
        kill_tree(process)


def wait_until_up(url: str, path: str, process: "subprocess.Popen[bytes]", printed: Path) -> None:
    """Wait for a 200 of a path, at most two minutes."""
    end = time.monotonic() + 120
    while time.monotonic() < end and process.poll() is None:
        try:
            if httpx.get(url + path, timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"not up: {printed.read_text()[-3000:]}")
