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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass
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
    resident_mib,
    write_results,
)
from benchmarks.load import Load, LoadProcess, Result, measure
from benchmarks.serving_hostile import LOG_LINES, hostile_lines, measure_hostile, numbers_of_hostile
from benchmarks.serving_peers import INFINITY_VARIABLE
from fakenews_assets.compression.partitions import ENSEMBLE, SOURCES, VARIANTS
from fakenews_assets.models.classifier import Article
from fakenews_assets.registry.bundle import Bundle, open_bundle
from fakenews_assets.registry.champion import ChampionRegistry
from fakenews_assets.registry.scorer import Scorer
from fakenews_resources.processes import Server, serving
from fakenews_resources.storage.store import Store

Part = Literal["throughput", "steady", "overload", "hostile"]

PEERS: Final = ("seed way", "pipeline", "infinity")
BATCH: Final = 256
STEADY_SHARE: Final = 0.8
OVERLOAD: Final = 5.0
OVERLOAD_CONNECTIONS: Final = 512
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
    return {"generator": _summary(own), "single": single, "batch": batch}


def own_cost(bench: Bench) -> Result:
    """The load generator against a server that computes nothing."""
    with serving(["benchmarks.serving_peers", "constant"], ROOT, os.environ) as server:
        found = measure(Load(server.url, seconds=min(5.0, bench.turn_seconds), warm_up=1), bench.titles_file)
    console.print(f"generator: {found.rps:,.0f} requests/s, {_microseconds(_summary(found)):.0f} us each")
    return found


def in_turns(bench: Bench, contenders: Mapping[str, Callable[[], Result]]) -> dict[str, list[dict[str, Any]]]:
    """Each contender's results, turn by turn."""
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in contenders}
    for turn in range(bench.turns):
        for name, run in contenders.items():
            found = run()
            results[name].append(_summary(found))
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
        **_summary(found),
        "errors_of_any_kind": _not_ok(found),
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
        "flood": _summary(flood),
        "light": {**_summary(probe), "p99_ms_by_second": [one.p99 for one in probe.timeline]},
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


def logged_ids(log: Path) -> Iterator[str]:
    """Request ids of a prediction log."""
    for file in log.rglob("*.jsonl"):
        with file.open(encoding="utf-8") as lines:
            yield from (json.loads(line)["request_id"] for line in lines)


def numbers_of(raw: Mapping[str, Any]) -> dict[str, float]:
    """The figures with targets, of the parts that were measured."""
    numbers: dict[str, float] = {}
    if "throughput" in raw:
        single, batch = raw["throughput"]["single"], raw["throughput"]["batch"]
        rps = {name: [turn["rps"] for turn in turns] for name, turns in single.items()}
        p99 = {name: [_p99(turn) for turn in turns] for name, turns in single.items()}
        peers = [peer for peer in PEERS if peer in single]
        best_peer = [min(turn) for turn in zip(*(p99[peer] for peer in peers), strict=True)]
        for peer in peers:
            numbers[f"rps_vs_{peer.replace(' ', '_')}"] = _ratio(rps["service"], rps[peer])
        numbers["p99_vs_best_peer"] = _ratio(p99["service"], best_peer)
        numbers["batch_vs_in_process"] = _ratio(batch["http"], batch["in process"])
    if "steady" in raw:
        numbers["steady_errors"] = raw["steady"]["errors_of_any_kind"]
    if "overload" in raw:
        numbers["overload_other_statuses"] = raw["overload"]["other_statuses"]
    if "hostile" in raw:
        numbers |= numbers_of_hostile(raw["hostile"])
    return numbers


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
        write_results("serving", numbers, raw, "Serving", _lines(numbers, raw))


def _run_for(seconds: float, work: Callable[[], object]) -> None:
    begin = perf_counter()
    while perf_counter() - begin < seconds:
        work()


def _summary(result: Result) -> dict[str, Any]:
    return {key: value for key, value in asdict(result).items() if key not in ("timeline", "request_ids")}


def _not_ok(result: Result) -> int:
    return result.requests - result.statuses.get(200, 0) + result.errors + result.given_up


def _p99(summary: Mapping[str, Any]) -> float:
    return summary["latency"][200]["p99"]


def _microseconds(summary: Mapping[str, Any]) -> float:
    return 1e6 * summary["cpu_seconds"] / summary["requests"]


def _by_status(summary: Mapping[str, Any]) -> str:
    return ", ".join(f"{count:,} with {status}" for status, count in summary["statuses"].items())


def _ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Median over the turns."""
    return median(a / b for a, b in zip(ours, theirs, strict=True))


def _lines(numbers: Mapping[str, float], raw: Mapping[str, Any]) -> list[str]:
    steady, overload, machine = raw["steady"], raw["overload"], raw["machine"]
    single, own = raw["throughput"]["single"], raw["throughput"]["generator"]
    flood, recovered = overload["flood"], overload["recovery_seconds"]
    rows = [
        ("requests/s against FastAPI with BERT-base fp32 padded to 25 tokens, 32 clients", f"{numbers['rps_vs_seed_way']:.2f}", ">= 15"),
        ("requests/s against FastAPI with a Hugging Face pipeline over the champion's torch weights", f"{numbers['rps_vs_pipeline']:.2f}", ">= 2"),
        *(
            [("requests/s against infinity over the champion's torch weights", f"{numbers['rps_vs_infinity']:.2f}", "> 1")]
            if "rps_vs_infinity" in numbers
            else []
        ),
        ("p99 against the lowest of the peers", f"{numbers['p99_vs_best_peer']:.3f}", "< 1"),
        (f"rows/s of batches of {BATCH} over HTTP against the same work in process", f"{numbers['batch_vs_in_process']:.3f}", ">= 0.8"),
        ("steady: requests not answered with 200", f"{numbers['steady_errors']:.0f}", "0"),
        ("steady: p99 over p50", f"{steady['p99_over_p50']:.2f}", "< 5"),
        ("steady: memory, last minute against an early one", f"{steady['memory_growth_percent']:+.1f} %", "within 5 %"),
        ("overload: answers neither 200 nor 503", f"{numbers['overload_other_statuses']:.0f}", "0"),
        ("overload: seconds until the light load is served as before", "never" if recovered is None else f"{recovered:.1f}", "<= 5"),
        ("overload: answers missing from the prediction log", f"{overload['lost_from_log']}", "0"),
        ("hostile: longest that a request waits, ms", f"{numbers['worst_stall_ms']:.0f}", "<= 250"),
        ("hostile: peak memory against that of calm", f"{numbers['peak_hostile_vs_calm']:.2f}", "<= 2"),
        (f"a label for a day of {raw['hostile']['feedback']['lines']:,} lines: p99, ms", f"{numbers['feedback_ms_1m']:.1f}", "<= 20"),
        ("memory that labels take, MiB", f"{numbers['feedback_peak_mib']:.1f}", "<= 50"),
    ]  # fmt: skip
    return [
        f"The champion ({raw['candidate']}) over HTTP; {raw['titles']:,} distinct real titles, one a request unless said"
        " otherwise. Ratios are medians over alternating turns.",
        "",
        "| what | measured | target |",
        "| --- | ---: | ---: |",
        *(f"| {text} | {value} | {target} |" for text, value, target in rows),
        "",
        "| 32 clients, medians over turns | requests/s | p50, ms | p99, ms |",
        "| --- | ---: | ---: | ---: |",
        *(
            f"| {name} | {median(turn['rps'] for turn in turns):,.1f}"
            f" | {median(turn['latency'][200]['p50'] for turn in turns):.1f} | {median(map(_p99, turns)):.1f} |"
            for name, turns in single.items()
        ),
        "",
        f"Steady: {steady['seconds']:,.0f} s at {steady['sent_rps']:,.0f} requests/s, {STEADY_SHARE:.0%} of capacity; latency counts"
        f" from the moment a request falls due, p50 {steady['latency'][200]['p50']:.1f} ms, p99 {_p99(steady):.1f} ms (the"
        f" generator's own delay, p50 {steady['lag']['p50']:.1f} ms, included). Memory of all server processes:"
        f" {steady['memory_mib']['early']:,.0f} MiB, then {steady['memory_mib']['late']:,.0f} MiB.",
        "",
        f"Overload: {flood['seconds']:,.0f} s, {OVERLOAD:.0f} times capacity asked for ({overload['asked_rps']:,.0f} requests/s),"
        f" {flood['sent_rps']:,.0f} really sent over {OVERLOAD_CONNECTIONS} connections, as the generator took"
        f" {flood['cpu_share']:.0%} of a core from the server. Answers by status: {_by_status(flood)};"
        f" {overload['transport_errors']} transport errors; {flood['given_up']:,} requests found no free connection"
        f" within a second. Capacity {overload['capacity_rps']:,.0f} requests/s, served meanwhile {flood['rps']:,.0f}."
        f" Light load beside it: {_by_status(overload['light'])}. Answered with 200 and looked up in the log once the"
        f" server had ended: {overload['answered']:,}.",
        "",
        *hostile_lines(raw["hostile"]),
        "",
        f"The load generator alone: {own['rps']:,.0f} requests/s against a server that computes nothing,"
        f" {_microseconds(own):.0f} us of a core each.",
        "",
        f"{machine['processor']}, {machine['cores']} cores.",
    ]


if __name__ == "__main__":
    typer.run(main)
