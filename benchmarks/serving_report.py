"""The figures of the serving benchmark, and its part of results.md."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, Final

from benchmarks.serving_hostile import hostile_lines, numbers_of_hostile

PEERS: Final = ("seed way", "pipeline", "infinity")
BATCH: Final = 256
"""Rows of a batch."""
STEADY_SHARE: Final = 0.8
"""Steady load, as a share of the capacity."""
OVERLOAD: Final = 5.0
"""The load that is too much, as a multiple of the capacity."""
OVERLOAD_CONNECTIONS: Final = 512


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


def report_lines(numbers: Mapping[str, float], raw: Mapping[str, Any]) -> list[str]:
    """Its part of results.md, when everything was measured."""
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
        f" {microseconds(own):.0f} us of a core each.",
        "",
        f"{machine['processor']}, {machine['cores']} cores.",
    ]


def _p99(summary: Mapping[str, Any]) -> float:
    return summary["latency"][200]["p99"]


def microseconds(summary: Mapping[str, Any]) -> float:
    """CPU that the generator took for a request."""
    return 1e6 * summary["cpu_seconds"] / summary["requests"]


def _by_status(summary: Mapping[str, Any]) -> str:
    return ", ".join(f"{count:,} with {status}" for status, count in summary["statuses"].items())


def _ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Median over the turns."""
    return median(a / b for a, b in zip(ours, theirs, strict=True))
