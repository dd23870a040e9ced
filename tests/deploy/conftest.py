import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from fakenews_resources.processes import free_port

_USER = "postgres"


@dataclass(frozen=True)
class Postgres:
    """A server that listens on 127.0.0.1 and takes any password."""

    port: int
    user: str


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real PostgreSQL server with an empty database `postgres`; without one on this machine, a skip."""
    programs = [
        Path(found).resolve().parent for name in ("initdb", "postgres") if (found := shutil.which(name))
    ]
    programs += sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    home = next((folder for folder in programs if (folder / "initdb").exists()), None)
    if home is None:
        pytest.skip("PostgreSQL is not installed here: no initdb")
    # PostgreSQL refuses to run as root; and its user has to get at its folder.
    as_other = _USER if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    if as_other:
        try:
            shutil.chown(folder, as_other)
        except LookupError:
            pytest.skip(f"PostgreSQL does not run as root, and there is no user {_USER}")
    port = free_port()

    def run(*command: str) -> None:
        subprocess.run(command, check=True, cwd=folder, user=as_other, stdout=subprocess.DEVNULL)

    try:
        run(str(home / "initdb"), "--pgdata", "data", "--auth", "trust", "--username", "dagster", "--no-sync")
        options = (
            f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder} -c fsync=off"
        )
        run(str(home / "pg_ctl"), "start", "--pgdata", "data", "--wait", "--log", "log", "--options", options)
        yield Postgres(port, "dagster")
    finally:
        with suppress(subprocess.CalledProcessError):
            run(str(home / "pg_ctl"), "stop", "--pgdata", "data", "--mode", "immediate")
        shutil.rmtree(folder, ignore_errors=True)
