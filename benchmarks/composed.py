"""The containers of deploy/compose.yaml as processes of this machine: for drills where there is no Docker engine.

Commands, environments, health checks and the order of starts are read from compose.yaml and Dockerfile.dagster. Addresses
and paths inside a container become addresses and folders of this machine. Alertmanager and Grafana are left out.
"""

import json
import os
import re
import secrets
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, Final

import psutil
import yaml

from benchmarks.common import ROOT
from fakenews_resources.processes import end, free_port

DEPLOY: Final = ROOT / "deploy"
PATIENCE_SECONDS: Final = 900
_RESTART_SECONDS: Final = 1
_LEFT_OUT: Final = ("alertmanager", "grafana")
_PORTS: Final = {
    "postgres": 5432,
    "code": 4000,
    "webserver": 3000,
    "service": 3000,
    "monitor": 3002,
    "prometheus": 9090,
}
_HOST: Final = "127.0.0.1"
_CODE_HOST: Final = "127.0.0.2"
"""Another host to Dagster, as the container is: it asks the code server for its runs, and looks for no process."""
_PATH: Final = re.compile(r"(?<![\w/.])/(?=(?:etc|opt|tmp|var)/)")
_POSTGRES: Final = Path("/usr/lib/postgresql")
_POSTGRES_USER: Final = "postgres"
"""Postgres does not run as root."""


def wait_for(condition: Callable[[], object], what: str, seconds: float = PATIENCE_SECONDS) -> float:
    """Seconds until something is so. Raises TimeoutError if that takes too long."""
    begin = time.monotonic()
    while not condition():
        if time.monotonic() - begin > seconds:
            raise TimeoutError(f"{what}: not after {seconds:.0f} s")
        time.sleep(0.2)
    return time.monotonic() - begin


@dataclass
class Part:
    """One container as a process that is started again when it ends, as `restart: unless-stopped` does."""

    name: str
    command: Sequence[str]
    check: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    port: int
    user: str | None = None
    process: "subprocess.Popen[bytes] | None" = None
    over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://{_HOST}:{self.port}"

    def start(self) -> None:
        """Run it until `stop`."""
        self.over.clear()
        self._thread = threading.Thread(target=self._supervise)
        self._thread.start()

    def is_healthy(self) -> bool:
        """What the container's health check says."""
        asked = subprocess.run(
            self.check, env=self.environment, cwd=self.folder, capture_output=True, check=False
        )
        return asked.returncode == 0

    def kill(self) -> None:
        """SIGKILL for all of its processes, as when the container's memory is used up."""
        assert self.process is not None
        top = psutil.Process(self.process.pid)
        for one in [*top.children(recursive=True), top]:
            with suppress(psutil.NoSuchProcess):
                one.kill()

    def stop(self) -> None:
        """As `docker compose stop`."""
        self.over.set()
        if self._thread:
            self._thread.join()

    def _supervise(self) -> None:
        with (self.folder / "output.log").open("ab") as output:
            while not self.over.is_set():
                self.process = subprocess.Popen(
                    self.command, cwd=self.folder, env=self.environment, user=self.user,
                    stdout=output, stderr=output, start_new_session=True,
                )  # fmt: skip
                while self.process.poll() is None and not self.over.wait(0.1):
                    pass
                end(self.process, grace=10 if self.over.is_set() else 0)
                self.over.wait(_RESTART_SECONDS)


class Stack:
    """The parts of compose.yaml below one folder.

    Args:
        folder: an empty one that every user of this machine may enter.
        more: environment of the graph's containers beside that of the file.
    """

    def __init__(self, folder: Path, more: Mapping[str, str]) -> None:
        self.folder = folder
        text = (DEPLOY / "compose.yaml").read_text()
        self.secrets = {name: secrets.token_hex(24) for name in re.findall(r"\$\{(\w+):\?", text)}
        self._file = yaml.safe_load(_interpolated(text, self.secrets))
        self._image = _dockerfile(DEPLOY / "Dockerfile.dagster")
        self._more = more
        self.ports = {name: free_port() for name in _PORTS}
        left_out = {*_LEFT_OUT, *([] if shutil.which("prometheus") else ["prometheus"])}
        services = {name: one for name, one in self._file["services"].items() if name not in left_out}
        needed = {name: list(one.get("depends_on", ())) for name, one in services.items()}
        self.parts = {
            name: self._part(name, services[name]) for name in TopologicalSorter(needed).static_order()
        }

    @property
    def volume(self) -> Path:
        """What the containers of the graph and the service share."""
        return self.folder / "volumes" / "storage"

    @property
    def landing(self) -> Path:
        return self.folder / "landing"

    @contextmanager
    def running(self, say: Callable[[str], None]) -> Iterator[None]:
        """All parts, each once those that it depends on are healthy."""
        self._make_cluster()
        try:
            for part in self.parts.values():
                part.start()
                say(f"{part.name} is healthy after {wait_for(part.is_healthy, part.name):.0f} s")
            yield
        finally:
            for part in reversed(self.parts.values()):
                part.stop()

    def _part(self, name: str, service: Mapping[str, Any]) -> Part:
        root = self.folder / name
        (root / "tmp").mkdir(parents=True)
        self._mount(root, service.get("volumes", ()))
        local = self._local(name, root)
        built = "build" in service or service["image"] == self._file["x-dagster"]["image"]
        image = self._image if built else _Image((), (), {})
        given = {
            **image.environment,
            **service.get("environment", {}),
            **(self._more if "build" in service else {}),
        }
        environment = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(root / "tmp"),
            "PYTHONPATH": str(ROOT),
            "PGHOST": _HOST,
            "PGPORT": str(self.ports["postgres"]),
            **{key: local(value or "") for key, value in given.items()},
        }
        command = service.get("command", image.command)
        check = service["healthcheck"]["test"][1:] if "healthcheck" in service else image.check
        command, check = (
            [local(word) for word in self._addressed(name, words)] for words in (command, check)
        )
        user = None
        if name == "postgres":
            command, user = self._postgres(root), _POSTGRES_USER if os.geteuid() == 0 else None
        if name == "prometheus":
            address = f"--web.listen-address={_HOST}:{self.ports[name]}"
            command = ["prometheus", *command, address, f"--storage.tsdb.path={root / 'prometheus'}"]
        return Part(name, command, check, environment, root, self.ports.get(name, 0), user)

    def _mount(self, root: Path, volumes: Sequence[str]) -> None:
        """Named volumes as links, mounted files as copies with this machine's addresses."""
        for volume in volumes:
            source, target, *_ = volume.split(":")
            inside = root / target.removeprefix("/")
            inside.parent.mkdir(parents=True, exist_ok=True)
            if source.endswith(".yaml"):
                inside.write_text(self._file_here(DEPLOY / source, root))
                continue
            outside = self.landing if source.startswith(".") else self.folder / "volumes" / source
            outside.mkdir(parents=True, exist_ok=True)
            inside.symlink_to(outside)

    def _file_here(self, file: Path, root: Path) -> str:
        text = _PATH.sub(f"{root}/", file.read_text())
        for name, port in _PORTS.items():
            text = re.sub(rf"\b{name}:{port}\b", f"{_HOST}:{self.ports[name]}", text)
        config = yaml.safe_load(text)
        if file.name == "dagster.yaml":
            config["storage"]["postgres"]["postgres_db"] |= {
                "hostname": _HOST,
                "port": self.ports["postgres"],
            }
        if file.name == "workspace.yaml":
            config["load_from"][0]["grpc_server"] |= {"host": _CODE_HOST, "port": self.ports["code"]}
        if file.name == "prometheus.yaml":
            del config["alerting"]
        return yaml.safe_dump(config)

    def _local(self, name: str, root: Path) -> Callable[[str], str]:
        """Paths and addresses in a word of a container, as they are here."""
        host = _CODE_HOST if name == "code" else _HOST

        def local(word: str) -> str:
            word = _PATH.sub(f"{root}/", word).replace("0.0.0.0", host)  # noqa: S104
            inside = f"{_HOST}:{_PORTS[name]}" if name in _PORTS else "\0"
            return word.replace(inside, f"{_HOST}:{self.ports.get(name)}")

        return local

    def _addressed(self, name: str, words: Sequence[str]) -> list[str]:
        """The port after `--port`; Dagster's check of a code server looks at localhost without `--host`."""
        words = list(words)
        if "--port" in words:
            words[words.index("--port") + 1] = str(self.ports[name])
        if words[1:3] == ["api", "grpc-health-check"]:
            words += ["--host", _CODE_HOST]
        return words

    def _make_cluster(self) -> None:
        """What the entrypoint of Postgres' image does once: an empty cluster with the user, the password and the database."""
        part = self.parts["postgres"]
        programs, data = Path(part.command[0]).parent, part.folder / "var/lib/postgresql/data"
        given = part.environment
        password = part.folder / "password"
        password.write_text(given["POSTGRES_PASSWORD"])
        if part.user:
            for path in (password, data.resolve()):
                shutil.chown(path, part.user)

        def run(program: str, words: str, **more: Any) -> None:
            command = [str(programs / program), *words.split()]
            subprocess.run(command, check=True, user=part.user, cwd=data, capture_output=True, **more)

        user = given["POSTGRES_USER"]
        run("initdb", f"--pgdata {data} --auth scram-sha-256 --pwfile {password} --username {user} --no-sync")
        create = f"CREATE DATABASE {given['POSTGRES_DB']};\n".encode()
        run("postgres", f"--single -D {data} postgres", input=create)

    def _postgres(self, root: Path) -> list[str]:
        programs = max(_POSTGRES.glob("*/bin"), key=lambda folder: int(folder.parent.name), default=_POSTGRES)
        data = root / "var/lib/postgresql/data"
        options = f"-p {self.ports['postgres']} -c listen_addresses={_HOST} -c unix_socket_directories="
        return [str(programs / "postgres"), "-D", str(data), *options.split()]


@dataclass(frozen=True)
class _Image:
    command: Sequence[str]
    check: Sequence[str]
    environment: Mapping[str, str]


def _dockerfile(file: Path) -> _Image:
    """CMD, HEALTHCHECK and ENV of a Dockerfile."""
    lines = file.read_text().replace("\\\n", " ").splitlines()
    (command,) = (line for line in lines if line.startswith("CMD "))
    (check,) = (line for line in lines if line.startswith("HEALTHCHECK "))
    pairs = [
        word.partition("=") for line in lines if line.startswith("ENV ") for word in shlex.split(line)[1:]
    ]
    # A variable of the build, which nobody gives here.
    environment = {name: "" if value.startswith("$") else value for name, _, value in pairs}
    return _Image(json.loads(command.partition(" ")[2]), json.loads(check.partition("CMD ")[2]), environment)


def _interpolated(text: str, values: Mapping[str, str]) -> str:
    """`${NAME:-default}` and `${NAME:?message}` as compose reads them."""
    return re.sub(
        r"\$\{(\w+):([-?])([^}]*)\}", lambda one: values.get(one[1], one[3] if one[2] == "-" else ""), text
    )
