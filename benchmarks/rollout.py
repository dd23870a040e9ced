"""Replaces both replicas of the service under load, as Kubernetes does, and counts what a client loses.

    python -m benchmarks.rollout [--storage .fakenews] [--rate 50] [--pre-stop 30]

The replicas are two real processes. Kubernetes is played: a new replica gets connections once its readiness probe has passed;
an old one is told to end only then, gets connections until every node knows (`--lag`), runs its preStop, and gets SIGTERM.
Clients choose a replica for each new connection and keep it, like those behind a Service. Times and settings are those of
deploy/kubernetes. Each client sends at its own pace whatever the service does, so a request that waits is late and not left
out. A lost answer is one without status 200, or one whose request id the prediction log does not hold.
"""

import asyncio
import json
import os
import random
import time
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Final

import httpcore
import httpx
import typer
import yaml

from benchmarks.common import ROOT, logged_ids
from fakenews_resources.processes import Server, end, serving

DEPLOYMENT: Final = ROOT / "deploy" / "kubernetes" / "service" / "deployment.yaml"
_CLIENTS: Final = 10
_CALM_SECONDS: Final = 10
"""Of load before the first replica is replaced, and after the last one."""


@dataclass
class Endpoints(httpcore.AsyncNetworkBackend):
    """The replicas that get new connections."""

    ready: list[int] = field(default_factory=list)
    _network: Any = field(default_factory=httpcore.AnyIOBackend)

    async def connect_tcp(
        self, host: str, port: int, *args: Any, **options: Any
    ) -> httpcore.AsyncNetworkStream:
        del port
        return await self._network.connect_tcp(host, random.choice(self.ready), *args, **options)


@dataclass
class Counts:
    """What clients saw."""

    outcomes: Counter[str] = field(default_factory=Counter)
    ids: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


async def client(
    endpoints: Endpoints, number: int, every: float, over: asyncio.Event, counts: Counts
) -> None:
    """Ask every so often until it is over."""
    async with httpcore.AsyncConnectionPool(network_backend=endpoints) as pool:
        due = time.monotonic() + every * number / _CLIENTS
        sent = 0
        while not over.is_set():
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            sent += 1
            content = json.dumps({"title": f"Council {number} votes on budget {sent}"}).encode()
            try:
                answer = await pool.request(
                    "POST",
                    "http://127.0.0.1/predict",
                    headers={"Content-Type": "application/json"},
                    content=content,
                    extensions={"timeout": {"connect": 5, "read": 60, "write": 5, "pool": 60}},
                )
                body = json.loads(answer.content)
                counts.outcomes[body["error"]["code"] if answer.status != 200 else "answered"] += 1
                if answer.status == 200:
                    counts.ids.append(body["request_id"])
            except (httpcore.NetworkError, httpcore.ProtocolError) as error:
                counts.outcomes[type(error).__name__] += 1
            counts.seconds.append(time.monotonic() - due)
            due += every


async def is_ready(url: str) -> bool:
    """What the readiness probe says."""
    async with httpx.AsyncClient(timeout=3) as probe:
        try:
            return (await probe.get(f"{url}/readyz")).status_code == 200
        except httpx.TransportError:
            return False


@dataclass(frozen=True)
class Manifest:
    """What the Deployment says of a replica that comes or goes."""

    environment: dict[str, str]
    probe_seconds: float
    pre_stop: float
    grace: float


def manifest() -> Manifest:
    """The settings of deploy/kubernetes that count here."""
    (deployment,) = (one for one in yaml.safe_load_all(DEPLOYMENT.read_text()) if one["kind"] == "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    given = {one["name"]: one["value"] for one in container["env"] if "value" in one}
    kept = ("FAKENEWS_SHUTDOWN_SECONDS", "FAKENEWS_KEEP_ALIVE_SECONDS")
    (_, sleep) = container["lifecycle"]["preStop"]["exec"]["command"]
    return Manifest(
        {name: given[name] for name in kept},
        container["readinessProbe"]["periodSeconds"],
        float(sleep),
        pod["terminationGracePeriodSeconds"],
    )


@dataclass
class Replicas:
    """Starts and ends replicas, and tells the endpoints."""

    manifest: Manifest
    storage: Path
    endpoints: Endpoints
    stack: AsyncExitStack
    lag: float
    running: list[Server] = field(default_factory=list)

    async def start(self) -> None:
        """One more, which gets connections once it is ready."""
        environment = os.environ | self.manifest.environment | {"FAKENEWS_STORAGE": str(self.storage)}
        arguments = ["bentoml", "serve", "bentos.fakenews.service:FakeNews", "--host", "127.0.0.1"]
        server = await asyncio.to_thread(
            self.stack.enter_context, serving(arguments, ROOT, environment, ready="/livez", grace=0)
        )
        while not await is_ready(server.url):
            await asyncio.sleep(self.manifest.probe_seconds)
        self.running.append(server)
        self.endpoints.ready.append(_port(server))

    async def end_oldest(self) -> float:
        """Kubernetes tells the pod and the nodes at the same time. Gives the seconds from SIGTERM to the end."""
        server = self.running.pop(0)
        await asyncio.gather(asyncio.sleep(self.manifest.pre_stop), self._forget(server))
        begin = time.monotonic()
        await asyncio.to_thread(end, server.process, self.manifest.grace)
        return time.monotonic() - begin

    async def _forget(self, server: Server) -> None:
        await asyncio.sleep(self.lag)
        self.endpoints.ready.remove(_port(server))


def _port(server: Server) -> int:
    return int(server.url.rpartition(":")[2])


async def roll_out(storage: Path, rate: float, lag: float, pre_stop: float | None) -> Counts:
    """Two replicas, replaced one after the other while clients ask."""
    own = manifest()
    if pre_stop is not None:
        own = replace(own, pre_stop=pre_stop)
    endpoints, counts, over = Endpoints(), Counts(), asyncio.Event()
    async with AsyncExitStack() as stack:
        replicas = Replicas(own, storage, endpoints, stack, lag)
        for _ in range(2):
            await replicas.start()
        every = _CLIENTS / rate
        clients = [
            asyncio.create_task(client(endpoints, number, every, over, counts)) for number in range(_CLIENTS)
        ]
        await asyncio.sleep(_CALM_SECONDS)
        for number in (1, 2):
            await replicas.start()
            seconds = await replicas.end_oldest()
            typer.echo(f"replica {number} is replaced; the old one ended {seconds:.1f} s after SIGTERM")
        await asyncio.sleep(_CALM_SECONDS)
        over.set()
        await asyncio.gather(*clients)
        for _ in range(2):
            await replicas.end_oldest()
    return counts


def main(
    storage: Annotated[Path, typer.Option(help="A store with a champion, in a folder. Its log grows.")] = ROOT
    / ".fakenews",
    rate: Annotated[float, typer.Option(help="Requests per second.")] = 50,
    lag: Annotated[
        float, typer.Option(help="Seconds until no node sends connections to a replica that ends.")
    ] = 5,
    pre_stop: Annotated[
        float | None, typer.Option(help="Seconds of preStop; default: the manifest's.")
    ] = None,
) -> None:
    """Roll out under load; exit 1 if anything is lost."""
    counts = asyncio.run(roll_out(storage, rate, lag, pre_stop))
    missing = len(set(counts.ids) - set(logged_ids(storage / "service_log")))
    ordered = sorted(counts.seconds)
    typer.echo(f"requests: {sum(counts.outcomes.values())}, by outcome: {dict(counts.outcomes)}")
    typer.echo(f"answers that the log lacks: {missing}")
    typer.echo(f"seconds until an answer: median {ordered[len(ordered) // 2]:.3f}, most {ordered[-1]:.3f}")
    if set(counts.outcomes) != {"answered"} or missing:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
