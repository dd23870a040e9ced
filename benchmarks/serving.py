"""The service over HTTP: against named peers, for ten minutes on end, far beyond its capacity, and abused.

    python -m benchmarks.serving [--quick] [--news FILE] [--storage .fakenews] [--only steady]

Serves the champion of a store to real titles. Server, load generator and this process share the machine; the
generator's own share is measured and reported. The peers take turns with the service; the one of a BERT-base's
size has random weights, for it is timed and never scored. The quick run takes a minute or two and writes nothing.
"""

import json
import math
import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from statistics import median
from time import perf_counter, sleep
from typing import Annotated, Any, Final, Literal

import typer
from rich.console import Console

from benchmarks.common import (
    ROOT,
    default_news_path,
    describe_machine,
    load_news,
    logged_ids,
    resident_mib,
    write_results,
)
from benchmarks.load.process import LoadProcess, measure
from benchmarks.load.results import Load, Result
from benchmarks.serving_hostile import LOG_LINES, measure_hostile
from benchmarks.serving_peers import INFINITY_VARIABLE
from benchmarks.serving_report import (
    BATCH,
    OVERLOAD,
    OVERLOAD_CONNECTIONS,
    STEADY_SHARE,
    microseconds,
    numbers_of,
    report_lines,
)
from fakenews_assets.compression.partitions import ENSEMBLE, SOURCES, VARIANTS
from fakenews_assets.models.classifier import Article
from fakenews_assets.registry.bundle import Bundle, open_bundle
from fakenews_assets.registry.champion import ChampionRegistry
from fakenews_assets.registry.scorer import Scorer
from fakenews_resources.processes import Server, serving
from fakenews_resources.storage.store import Store

Part = Literal["throughput", "steady", "overload", "hostile"]

LIGHT_RATE: Final = 20.0
"""Requests per second of the light load that tells when the service has recovered."""
CALM_SECONDS, AFTER_SECONDS = 10, 30
"""How long the light load goes on before the overload, and after it."""
REST: Final = 1.0
"""Seconds before each turn: worker threads of the one before may spin for a while."""

console = Console()


@dataclass(frozen=True)
class Bench:
    """What every part works with."""

    storage: Path
    bundle: Bundle
    source: Path
    """The champion's weights before export, for the peers."""
    titles: list[str]
    titles_file: Path
    turns: int
    turn_seconds: float
    warm_up: float

    def service(self, log: Path) -> AbstractContextManager[Server]:
        """The server under test, with its prediction log in a folder."""
        environment = os.environ | {
            "FAKENEWS_STORAGE": str(self.storage),
            "FAKENEWS_LOG": str(log),
            "BENTOML_DO_NOT_TRACK": "True",
        }
        arguments = ["bentoml", "serve", "bentos.fakenews.service:FakeNews", "--host", "127.0.0.1"]
        return serving(arguments, ROOT, environment)

    def turn(self, server: Server, *, clients: int = 32, rows: int = 1, classify: bool = False) -> Result:
        """One turn of closed-loop load."""
        sleep(REST)
        load = Load(server.url, clients, self.turn_seconds, self.warm_up, rows=rows, classify=classify)
        return measure(load, self.titles_file)


def champion(storage: Path) -> tuple[Bundle, Path]:
    """The champion and the folder of the torch weights that it was made from; of an ensemble, its encoder.

    Raises:
        SystemExit: there is no champion, or none with an encoder.
    """
    store = Store(storage)
    pointer = ChampionRegistry(store.bundles).champion()
    if pointer is None:
        raise SystemExit(
            f"{store.bundles.address} has no champion: run the graph first, or name another --storage."
        )
    bundle = open_bundle(store.bundle(pointer.bundle))
    candidate = bundle.manifest.candidate
    encoder = candidate.removeprefix(ENSEMBLE)
    source = VARIANTS[encoder][0] if encoder in VARIANTS else encoder
    if source not in SOURCES:
        raise SystemExit(f"The champion is {candidate!r}, which has no torch weights for the peers to serve.")
    key = SOURCES[source]
    version = bundle.manifest.data_versions.get(key)
    return bundle, (store.get(key, version) if version else store.current(key)).path


def measure_throughput(bench: Bench, log: Path) -> dict[str, Any]:
    """Single titles by 32 clients to service and peers in turns; batches over HTTP and in this process in turns.

    infinity takes part where `FAKENEWS_BENCH_INFINITY` names its environment.
    """
    from benchmarks.compression import bert_base, cached  # brings every runtime along

    base = cached("bert-base", "1", lambda folder: bert_base(folder, bench.source))
    peer = ["benchmarks.serving_peers"]
    own = own_cost(bench)
    with ExitStack() as stack:
        servers = {
            "service": stack.enter_context(bench.service(log)),
            "seed way": stack.enter_context(
                serving([*peer, "seed", "--folder", str(base)], ROOT, os.environ)
            ),
            "pipeline": stack.enter_context(
                serving([*peer, "pipeline", "--folder", str(bench.source)], ROOT, os.environ)
            ),
        }
        if INFINITY_VARIABLE in os.environ:
            arguments = [*peer, "infinity", "--folder", str(bench.source)]
            servers["infinity"] = stack.enter_context(serving(arguments, ROOT, os.environ, ready="/health"))
        single = in_turns(
            bench,
            {
                name: lambda name=name, one=one: bench.turn(one, classify=name == "infinity")
                for name, one in servers.items()
            },
        )
        batch = measure_batches(bench, servers["service"])
    return {"generator": own.summary(), "single": single, "batch": batch}


def own_cost(bench: Bench) -> Result:
    """The load generator against a server that computes nothing."""
    with serving(["benchmarks.serving_peers", "constant"], ROOT, os.environ) as server:
        found = measure(Load(server.url, seconds=min(5.0, bench.turn_seconds), warm_up=1), bench.titles_file)
    console.print(f"generator: {found.rps:,.0f} requests/s, {microseconds(found.summary()):.0f} us each")
    return found


def in_turns(bench: Bench, contenders: Mapping[str, Callable[[], Result]]) -> dict[str, list[dict[str, Any]]]:
    """Each contender's results, turn by turn."""
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in contenders}
    for turn in range(bench.turns):
        for name, run in contenders.items():
            found = run()
            results[name].append(found.summary())
            tail = f", p99 {found.ok.p99:.1f} ms" if 200 in found.latency else ""
            console.print(f"turn {turn + 1}, {name}: {found.rps:,.1f} requests/s{tail} {found.statuses}")
    return results


def measure_batches(bench: Bench, server: Server) -> dict[str, list[float]]:
    """Rows per second of batches of 256 titles by one client, and of the same work in this process, per turn."""
    scorer = Scorer.open(bench.bundle.path)
    starts = range(0, len(bench.titles) - BATCH + 1, BATCH)
    asked = [[Article(title) for title in bench.titles[at : at + BATCH]] for at in starts]

    def in_process() -> float:
        sleep(REST)
        batches, done = cycle(asked), 0
        _run_for(bench.warm_up, lambda: scorer.score(next(batches)))
        begin = perf_counter()
        while perf_counter() - begin < bench.turn_seconds:
            done += len(scorer.score(next(batches)).predictions)
        return done / (perf_counter() - begin)

    rates: dict[str, list[float]] = {"http": [], "in process": []}
    for _ in range(bench.turns):
        rates["http"].append(BATCH * bench.turn(server, clients=1, rows=BATCH).rps)
        rates["in process"].append(in_process())
    console.print(f"batches, rows/s: {rates}")
    return rates


def measure_steady(bench: Bench, log: Path, seconds: float) -> dict[str, Any]:
    """Open loop at 80 % of capacity; the memory of the server's processes each second."""
    with bench.service(log) as server:
        capacity = bench.turn(server).rps
        process = LoadProcess(
            Load(server.url, 128, seconds, bench.warm_up, rate=STEADY_SHARE * capacity), bench.titles_file
        )
        memory = []
        while process.process.poll() is None:
            memory.append(resident_mib(server))
            sleep(1)
        found = process.result()
    span = int(
        min(60, seconds / 4)
    )  # seconds of each of the two windows, and of the start left out before them
    early, late = median(memory[span : 2 * span]), median(memory[-span:])
    steady = {
        "capacity_rps": capacity,
        **found.summary(),
        "errors_of_any_kind": found.not_ok,
        "p99_over_p50": found.ok.p99 / found.ok.p50,
        "memory_growth_percent": 100 * (late / early - 1),
        "memory_mib": {"early": early, "late": late, "each_tenth_second": memory[::10]},
        "slowest_second_p99_ms": max(second.p99 or 0 for second in found.timeline),
    }
    console.print({key: value for key, value in steady.items() if key != "memory_mib"})
    return steady


def measure_overload(bench: Bench, log: Path, seconds: float) -> dict[str, Any]:
    """Open loop at five times the capacity, with a light load beside it that begins before and ends after."""
    with bench.service(log) as server:
        capacity = bench.turn(server).rps
        duration = CALM_SECONDS + seconds + AFTER_SECONDS
        light = LoadProcess(Load(server.url, 32, duration, rate=LIGHT_RATE, ids=True), bench.titles_file)
        sleep(CALM_SECONDS)
        rate = OVERLOAD * capacity
        load = Load(server.url, OVERLOAD_CONNECTIONS, seconds, rate=rate, patience=1.0, ids=True)
        flood = measure(load, bench.titles_file)
        probe = light.result()
    answered = [*flood.request_ids, *probe.request_ids]
    logged = set(logged_ids(log))
    calm_p99, recovered = recovery(probe, flood)
    overload = {
        "capacity_rps": capacity,
        "asked_rps": rate,
        "flood": flood.summary(),
        "light": {**probe.summary(), "p99_ms_by_second": [one.p99 for one in probe.timeline]},
        "other_statuses": sum(
            count
            for found in (flood, probe)
            for status, count in found.statuses.items()
            if status not in (200, 503)
        ),
        "transport_errors": flood.errors + probe.errors,
        "calm_p99_ms": calm_p99,
        "recovery_seconds": recovered,
        "answered": len(answered),
        "lost_from_log": sum(request_id not in logged for request_id in answered),
    }
    console.print({key: value for key, value in overload.items() if key != "light"})
    return overload


def recovery(probe: Result, flood: Result) -> tuple[float, float | None]:
    """When the light load was served as before.

    Returns:
        The calm p99 in ms: median over the seconds before the overload. And the seconds from the end of the
        overload to the first second that answered everything with a p99 below five times that; None: no such.
    """
    began, ended = flood.began_at - probe.began_at, flood.ended_at - probe.began_at
    calm = [one.p99 for one in probe.timeline if 2 <= one.second < math.floor(began) and one.p99]
    limit = 5 * median(calm)
    for one in probe.timeline:
        well = set(one.statuses) == {200} and one.p99 is not None and one.p99 < limit
        if one.second >= ended and well:
            return limit / 5, one.second - ended
    return limit / 5, None


def main(
    news: Annotated[Path | None, typer.Option(help="News file in WELFake's columns.")] = None,
    storage: Annotated[Path, typer.Option(help="Store whose champion is served.")] = Path(".fakenews"),
    only: Annotated[Part | None, typer.Option(help="One part; nothing is written.")] = None,
    steady_seconds: Annotated[float, typer.Option(min=8, help="Length of the steady load.")] = 600,
    overload_seconds: Annotated[float, typer.Option(min=1, help="Length of the overload.")] = 60,
    hostile_seconds: Annotated[float, typer.Option(min=1, help="Length of each hostile case.")] = 10,
    quick: Annotated[bool, typer.Option(help="Smoke run: short turns, nothing written.")] = False,
) -> None:
    """Measure and write results/serving.json."""
    if quick:
        steady_seconds, overload_seconds = min(steady_seconds, 12), min(overload_seconds, 5)
        hostile_seconds = min(hostile_seconds, 2)
    bundle, source = champion(storage)
    split = load_news(news or default_news_path()).test["title"].unique(maintain_order=True)
    titles = split.filter(split.str.contains(r"\S")).to_list()
    raw: dict[str, Any] = {
        "machine": describe_machine(["bentoml", "fastapi", "uvicorn", "torch", "transformers", "openvino"]),
        "candidate": bundle.manifest.candidate,
        "titles": len(titles),
    }
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "titles.json"
        file.write_text(json.dumps(titles))
        length = (1, 2.0, 1.0) if quick else (3, 12.0, 3.0)
        bench = Bench(storage.resolve(), bundle, source, titles, file, *length)
        parts: dict[Part, Callable[[Path], dict[str, Any]]] = {
            "throughput": lambda log: measure_throughput(bench, log),
            "steady": lambda log: measure_steady(bench, log, steady_seconds),
            "overload": lambda log: measure_overload(bench, log, overload_seconds),
            "hostile": lambda folder: measure_hostile(
                bench, folder, hostile_seconds, LOG_LINES // (50 if quick else 1)
            ),
        }
        for part, run in parts.items():
            if only in (None, part):
                raw[part] = run(Path(folder) / part)
    numbers = numbers_of(raw)
    for name, value in numbers.items():
        console.print(f"{name}: {value:.4f}")
    if not quick and only is None:
        write_results("serving", numbers, raw, "Serving", report_lines(numbers, raw))


def _run_for(seconds: float, work: Callable[[], object]) -> None:
    begin = perf_counter()
    while perf_counter() - begin < seconds:
        work()


if __name__ == "__main__":
    typer.run(main)
