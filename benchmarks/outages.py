"""Starts the parts of deploy/compose.yaml without Docker, kills each with SIGKILL, and measures until the graph goes on.

    python -m benchmarks.outages --storage STORE_WITH_A_CHAMPION

Postgres, code server, webserver, daemon, service, monitor and, where it is installed, Prometheus run as compose starts them,
on ports of this machine. What ends is started again after a second, as `restart: unless-stopped` does. After each kill a new
file lies in the landing folder: the graph goes on once the sensor has found it, a run has made a batch of it, and the part
that was killed answers. The code server is killed in the middle of such a run, which the daemon has to find lost and to start
again.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

import dagster as dg
import httpx
import polars as pl
import psutil
import typer
import yaml

from benchmarks.common import ROOT
from fakenews_resources.news.sample import SampleSpec, generate
from fakenews_resources.processes import end, free_port
from fakenews_resources.storage.store import Store

COMPOSE: Final = ROOT / "deploy" / "compose"
_RESTART_SECONDS: Final = 1
_PATIENCE_SECONDS: Final = 600
_CODE_HOST: Final = "127.0.0.2"
"""Another host to Dagster, as the container is: it asks the code server for its runs, and looks for no process."""
_POSTGRES: Final = Path("/usr/lib/postgresql")
_POSTGRES_USER: Final = "postgres"
"""It does not run as root, as which this drill has to be started."""


@dataclass
class Part:
    """One container of compose as a process that is started again when it ends."""

    name: str
    command: Sequence[str]
    answers: Callable[[], bool]
    environment: Mapping[str, str]
    folder: Path
    user: str | None = None
    process: "subprocess.Popen[bytes] | None" = None
    over: threading.Event = field(default_factory=threading.Event)

    def supervise(self) -> None:
        """Until `over`."""
        with (self.folder / f"{self.name}.log").open("ab") as output:
            while not self.over.is_set():
                self.process = subprocess.Popen(
                    self.command, cwd=self.folder, env=self.environment, user=self.user,
                    stdout=output, stderr=output, start_new_session=True,
                )  # fmt: skip
                while self.process.poll() is None and not self.over.wait(0.2):
                    pass
                if self.over.is_set():
                    end(self.process, grace=10)
                else:
                    end(self.process)
                    self.over.wait(_RESTART_SECONDS)

    def kill(self) -> None:
        """All of its processes, as when the kernel runs out of memory for the container."""
        assert self.process is not None
        top = psutil.Process(self.process.pid)
        for one in [top, *top.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                one.kill()


def is_up(url: str) -> bool:
    """Whether an address answers with 200."""
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def wait_for(condition: Callable[[], bool], what: str) -> float:
    """Seconds until something is so."""
    begin = time.monotonic()
    while not condition():
        if time.monotonic() - begin > _PATIENCE_SECONDS:
            raise TimeoutError(f"{what}: not after {_PATIENCE_SECONDS} s")
        time.sleep(0.2)
    return time.monotonic() - begin


def parts(folder: Path, storage: Path) -> list[Part]:
    """All of them, in the order in which they start."""
    names = ("postgres", "code", "webserver", "service", "monitor", "prometheus")
    ports = {name: free_port() for name in names}
    _write_instance(folder, ports)
    home, python = folder / "home", Path(sys.executable).parent
    environment = os.environ | {
        "DAGSTER_HOME": str(home),
        "DAGSTER_PG_PASSWORD": "of no account",
        "FAKENEWS_STORAGE": str(storage),
        "FAKENEWS_LANDING": str(folder / "landing"),
        "FAKENEWS_LANDING_SETTLE_SECONDS": "1",
        "FAKENEWS_SENSOR_SECONDS": "5",
        "PYTHONPATH": str(ROOT),
    }

    def part(name: str, command: str, answers: Callable[[], bool], user: str | None = None) -> Part:
        return Part(name, command.split(), answers, environment, folder, user)

    def page(name: str, path: str) -> Callable[[], bool]:
        return lambda: is_up(f"http://127.0.0.1:{ports[name]}{path}")

    def says_so(command: str) -> Callable[[], bool]:
        return lambda: subprocess.run(command.split(), env=environment, capture_output=True).returncode == 0

    def at(name: str) -> str:
        return f"--host 127.0.0.1 --port {ports[name]}"

    binaries, data = _cluster(folder), folder / "postgres"
    workspace = f"--workspace {home / 'workspace.yaml'}"
    given = [
        part(
            "postgres",
            f"{binaries}/postgres -D {data} -p {ports['postgres']} -c listen_addresses=127.0.0.1"
            f" -c unix_socket_directories={data}",
            says_so(f"{binaries}/pg_isready {at('postgres')} --username dagster"),
            _POSTGRES_USER,
        ),
        part(
            "code",
            f"{python}/dagster api grpc --host {_CODE_HOST} --port {ports['code']} --module-name fakenews_assets.definitions",
            says_so(f"{python}/dagster api grpc-health-check --host {_CODE_HOST} --port {ports['code']}"),
        ),
        part(
            "webserver",
            f"{python}/dagster-webserver {at('webserver')} {workspace}",
            page("webserver", "/server_info"),
        ),
        part(
            "daemon",
            f"{python}/dagster-daemon run {workspace}",
            says_so(f"{python}/dagster-daemon liveness-check"),
        ),
        part(
            "service",
            f"{python}/bentoml serve bentos.fakenews.service:FakeNews {at('service')}",
            page("service", "/readyz"),
        ),
        part("monitor", f"{python}/fakenews monitor {at('monitor')}", page("monitor", "/metrics")),
    ]
    if program := shutil.which("prometheus"):
        file = _write_prometheus(folder, ports)
        command = f"{program} --config.file={file} --storage.tsdb.path={folder / 'tsdb'}"
        address = f" --web.listen-address=127.0.0.1:{ports['prometheus']}"
        given.append(part("prometheus", command + address, page("prometheus", "/-/ready")))
    return given


def _write_instance(folder: Path, ports: Mapping[str, int]) -> None:
    """Dagster's instance and workspace as in compose, but for addresses and folders."""
    home = folder / "home"
    home.mkdir()
    instance = yaml.safe_load((COMPOSE / "dagster.yaml").read_text())
    instance["storage"]["postgres"]["postgres_db"] |= {"hostname": "127.0.0.1", "port": ports["postgres"]}
    instance["local_artifact_storage"]["config"]["base_dir"] = str(folder / "dagster")
    instance["compute_logs"]["config"]["base_dir"] = str(folder / "dagster" / "compute_logs")
    (home / "dagster.yaml").write_text(yaml.safe_dump(instance))
    workspace = yaml.safe_load((COMPOSE / "workspace.yaml").read_text())
    workspace["load_from"][0]["grpc_server"] |= {"host": _CODE_HOST, "port": ports["code"]}
    (home / "workspace.yaml").write_text(yaml.safe_dump(workspace))
    (folder / "landing").mkdir()


def _write_prometheus(folder: Path, ports: Mapping[str, int]) -> Path:
    """Prometheus' configuration as in compose, without Alertmanager."""
    config = yaml.safe_load((COMPOSE / "prometheus.yaml").read_text())
    config["rule_files"] = [str(COMPOSE / "alerts.yaml")]
    del config["alerting"]
    for job, name in zip(config["scrape_configs"], ("service", "monitor"), strict=True):
        job["static_configs"] = [{"targets": [f"127.0.0.1:{ports[name]}"]}]
    file = folder / "prometheus.yaml"
    file.write_text(yaml.safe_dump(config))
    return file


def _cluster(folder: Path) -> Path:
    """Make an empty Postgres in a folder; gives the folder of its programs."""
    binaries, data = max(_POSTGRES.glob("*/bin")), folder / "postgres"
    data.mkdir()
    shutil.chown(data, _POSTGRES_USER)
    initdb = f"{binaries}/initdb --pgdata {data} --auth trust --username dagster --no-sync"
    subprocess.run(initdb.split(), check=True, user=_POSTGRES_USER, cwd=data, stdout=subprocess.DEVNULL)
    return binaries


@contextmanager
def running(given: Sequence[Part], folder: Path) -> Iterator[None]:
    """All parts, each once the ones before it answer."""
    threads = [threading.Thread(target=one.supervise) for one in given]
    try:
        for one, thread in zip(given, threads, strict=True):
            thread.start()
            typer.echo(f"{one.name} answers after {wait_for(one.answers, one.name):.1f} s")
            if one.name == "postgres":
                port = one.command[one.command.index("-p") + 1]
                createdb = f"createdb --host 127.0.0.1 --port {port} --username dagster dagster"
                subprocess.run(createdb.split(), check=True, cwd=folder)
        yield
    finally:
        for one in reversed(given):
            one.over.set()
        for thread in threads:
            if thread.ident:
                thread.join()


def land(folder: Path, batch: str, seed: int) -> None:
    """A file of generated articles in the landing folder."""
    pl.concat(generate(SampleSpec(rows=300, seed=seed))).write_csv(folder / "landing" / f"{batch}.csv")


def main(
    storage: Annotated[Path, typer.Option(help="A store with a champion, in a folder. It is copied.")],
) -> None:
    """Kill each part once."""
    folder = Path(tempfile.mkdtemp(prefix="outages-"))
    folder.chmod(0o755)
    shutil.copytree(storage, folder / "storage")
    store = Store(folder / "storage")
    given = parts(folder, folder / "storage")
    typer.echo(f"output of the parts: {folder}")

    def is_stored(batch: str) -> bool:
        return any(one.startswith(f"{batch}-") for one in store.partitions("clean_news"))

    with running(given, folder):
        land(folder, "calm", 1)
        typer.echo(
            f"without a kill: a new file is a batch after {wait_for(lambda: is_stored('calm'), 'calm'):.1f} s"
        )
        os.environ |= {"DAGSTER_HOME": str(folder / "home"), "DAGSTER_PG_PASSWORD": "of no account"}
        for seed, one in enumerate(given, 2):
            land(folder, one.name, seed)
            if one.name == "code":
                wait_for(lambda: bool(_started()), "a run")
            one.kill()
            time.sleep(_RESTART_SECONDS)
            back = wait_for(one.answers, one.name) + _RESTART_SECONDS
            on = back + wait_for(lambda name=one.name: is_stored(name), one.name)
            typer.echo(
                f"{one.name} is killed: it answers after {back:.1f} s, the next file is a batch after {on:.1f} s"
            )
        for status, count in _runs().items():
            typer.echo(f"runs {status}: {count}")


def _started() -> Any:
    with dg.DagsterInstance.get() as instance:
        return instance.get_run_ids(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))


def _runs() -> Mapping[str, int]:
    with dg.DagsterInstance.get() as instance:
        records = instance.get_runs()
    return {
        status: sum(run.status.value == status for run in records)
        for status in {run.status.value for run in records}
    }


if __name__ == "__main__":
    typer.run(main)
