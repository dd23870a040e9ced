"""Servers as child processes: start on a free port, wait until ready, end with all descendants."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import BinaryIO, Final

import httpx
import psutil

_PRINTED_TAIL: Final = 3000
_MANY_PORTS: Final = 10_000
_PORTS: Final = (20_000 + number % _MANY_PORTS for number in count(os.getpid() % 100 * 100))


class ServerFailed(RuntimeError):
    """A server did not become ready; the message ends with its output."""


@dataclass(frozen=True)
class Server:
    """A server that answers."""

    url: str
    process: "subprocess.Popen[bytes]"
    output: BinaryIO
    """Where it prints to; see `printed`."""

    def printed(self) -> str:
        """What it has printed so far."""
        # The server writes where this file's position is, so that must not move.
        handle = self.output.fileno()
        return os.pread(handle, os.fstat(handle).st_size, 0).decode(errors="replace")


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on.

    It is below those that the system gives to connections, since a server takes seconds to start and would find one of
    these taken. Each process begins to look in a part of its own, and goes on from the port that it found last.

    Raises:
        ServerFailed: all are taken.
    """
    for port in islice(_PORTS, _MANY_PORTS):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise ServerFailed("no port from 20000 to 29999 is free")


@contextmanager
def serving(
    arguments: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    *,
    ready: str = "/readyz",
    seconds: float = 180,
    grace: float = 20,
) -> Iterator[Server]:
    """Run `python -m <arguments> --port <free port>` until the block ends.

    Args:
        arguments: module and its arguments.
        folder: working directory.
        environment: all environment variables of the server.
        ready: path that answers GET with 200 once the server can serve.
        seconds: how long that may take.
        grace: seconds between asking the server to end and killing it; 0 kills at once.

    Raises:
        ServerFailed: it ended, or was not ready in time.
    """
    port = free_port()
    with tempfile.TemporaryFile() as printed:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments, "--port", str(port)],
            cwd=folder,
            env=environment,
            stdout=printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        server = Server(f"http://127.0.0.1:{port}", process, printed)
        try:
            if not _becomes_ready(server, ready, seconds):
                tail = server.printed()[-_PRINTED_TAIL:]
                raise ServerFailed(f"{' '.join(arguments)} was not ready (exit {process.poll()}):\n{tail}")
            yield server
        finally:
            end(process, grace)


def end(process: "subprocess.Popen[bytes]", grace: float = 0) -> None:
    """Terminate a process, then kill what is left of it and its descendants.

    Args:
        process: one that may have ended already.
        grace: seconds for it to end by itself; 0 kills at once.
    """
    # Looked up first: workers may have sessions of their own, and lose their parent with it.
    try:
        top = psutil.Process(process.pid)
        family = [top, *top.children(recursive=True)]
    except psutil.NoSuchProcess:
        family = []
    if grace:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(grace)
    for member in family:
        with suppress(psutil.NoSuchProcess):
            member.kill()
    process.wait()


def _becomes_ready(server: Server, path: str, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while server.process.poll() is None and time.monotonic() < deadline:
        with suppress(httpx.TransportError):
            if httpx.get(server.url + path, timeout=2).status_code == 200:
                return True
        time.sleep(0.1)
    return False
