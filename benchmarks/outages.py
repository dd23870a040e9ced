"""Runs the lifecycle on the parts of deploy/compose.yaml without Docker, kills each part, and measures until it goes on.

    python -m benchmarks.outages [--stay-away]

A file lands and becomes a batch, a training with the smallest settings makes the first champion, and the service answers.
Then each part gets SIGKILL while a run receives one file and another run trains. What ends is started again, as by
`restart: unless-stopped`. A second file lands with each kill: the graph goes on once that one is a batch too. The last to be
killed is the process of a run that trains. Nothing may be lost: no batch, run, training or answer that a client got, and
the audit has to pass. It needs PostgreSQL's programs, and Prometheus for the alarms.

With `--stay-away`, parts are stopped as well, and started again once an alarm has fired.
"""

import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import dagster as dg
import typer

from benchmarks.common import describe_machine, write_results
from benchmarks.composed import PATIENCE_SECONDS, Part, wait_for
from benchmarks.lifecycle import Lifecycle, running

_WORKER: Final = "a run's process"
_ROWS: Final = 2000
_ROWS_AFTER: Final = 200
_WATCHED: Final = ("postgres", "code", "daemon", "service", "monitor")
"""Whose absence has an alarm."""


@dataclass(frozen=True)
class Outage:
    """What a kill did; times in seconds from it on."""

    killed: str
    healthy: float | None
    goes_on: float
    unanswered: int
    lost_runs: int
    alarms: Sequence[str]


def outage(run: Lifecycle, name: str, kill: Callable[[], None], seed: int) -> Outage:
    """Kill while a file is received, and wait until the next one is a batch."""
    before, told, unanswered = {one.run_id for one in run.runs()}, run.firing(), run.client.unanswered
    part = run.stack.parts.get(name)
    kill()
    begin = time.monotonic()
    run.land(f"after-{seed}", _ROWS_AFTER, 100 + seed)
    time.sleep(1)
    healthy = 1 + wait_for(part.is_healthy, name) if part else None
    answers = len(run.client.ids)
    wait_for(lambda: run.is_batch(f"after-{seed}") and run.is_batch(f"during-{seed}"), "the next batches")
    wait_for(lambda: len(run.client.ids) > answers, "an answer")
    goes_on = time.monotonic() - begin
    now = run.firing()
    return Outage(
        name,
        healthy,
        goes_on,
        run.client.unanswered - unanswered,
        len(before - {one.run_id for one in run.runs()}),
        sorted(alarm for alarm, value in now.items() if value > told.get(alarm, 0)),
    )


def stays_away(run: Lifecycle, part: Part) -> dict[str, Any]:
    """Stop a part until an alarm fires that did not before."""
    told = run.firing()
    part.stop()
    begin = time.monotonic()
    new: set[str] = set()
    with suppress(TimeoutError):
        wait_for(lambda: new.update(run.firing().keys() - told.keys()) or new, "an alarm", PATIENCE_SECONDS)
    seconds = time.monotonic() - begin
    part.start()
    wait_for(part.is_healthy, part.name)
    wait_for(lambda: not (run.firing().keys() & new), "end of the alarm")
    return {"stopped": part.name, "alarms": sorted(new), "seconds": round(seconds)}


def main(
    stay_away: Annotated[
        bool,
        typer.Option(help="Stop parts too, until an alarm fires: a quarter of an hour for each at most."),
    ] = False,
) -> None:
    """Kill each part once; exit 1 if anything is lost."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    folder = Path(tempfile.mkdtemp(prefix="outages-"))
    folder.chmod(0o755)
    typer.echo(f"output of the parts: {folder}/*/output.log")
    load = os.getloadavg()[0]
    with running(folder) as run:
        begin = time.monotonic()
        run.land("first", _ROWS, 1)
        wait_for(lambda: run.is_batch("first"), "the first batch")
        calm = time.monotonic() - begin
        run.retrain()
        wait_for(lambda: run.champion() is not None, "a champion")
        wait_for(lambda: run.client.ids, "an answer")
        first = time.monotonic() - begin
        typer.echo(f"batch after {calm:.0f} s, answers of a champion after {first:.0f} s")
        outages = []
        kills = {name: part.kill for name, part in run.stack.parts.items()} | {_WORKER: run.kill_worker}
        for seed, (name, kill) in enumerate(kills.items(), 2):
            run.keep_busy()
            run.land(f"during-{seed}", _ROWS_AFTER, seed)
            wait_for(lambda: run.runs(dg.DagsterRunStatus.STARTED, job="ingest_batch"), "a run that receives")
            outages.append(outage(run, name, kill, seed))
            typer.echo(str(outages[-1]))
        wait_for(run.rests, "the end of the lifecycle", 2 * PATIENCE_SECONDS)
        lost = {
            "runs": sum(one.lost_runs for one in outages),
            "trainings": run.lost_trainings(),
            "values downstream": run.left(),
            "answers": run.lost_answers(),
        }
        audit = run.audit()
        statuses = [one.status.value for one in run.runs()]
        away = [stays_away(run, run.stack.parts[name]) for name in _WATCHED] if stay_away else []
        answers = len(run.client.ids)
    raw = {
        "outages": [asdict(one) for one in outages],
        "stay_away": away,
        "lost": lost,
        "audit_passes": audit,
        "first_batch_seconds": calm,
        "first_answer_seconds": first,
        "answers": answers,
        "runs": {status: statuses.count(status) for status in sorted(set(statuses))},
        "load": [load, os.getloadavg()[1]],
        **describe_machine(["dagster", "bentoml"]),
    }
    numbers = {
        "lost": sum(lost.values()),
        "goes_on_seconds": max(one.goes_on for one in outages),
        "calm_seconds": calm,
    }
    write_results("outages", numbers, raw, "Outages", report(raw))
    typer.echo("\n".join(report(raw)))
    if any(lost.values()) or not audit:
        raise typer.Exit(1)


def report(raw: Mapping[str, Any]) -> list[str]:
    """The section in results.md."""
    lost = ", ".join(f"{count} {what}" for what, count in raw["lost"].items())
    lines = [
        "Each part of `deploy/compose.yaml`, as a process of this machine, gets SIGKILL while one run receives a file and another"
        " trains; it is started again after a second. A file that lands with the kill is a batch after *goes on*. In calm that"
        f" takes {raw['first_batch_seconds']:.0f} s: Dagster looks every 30 s, and a file has to lie still"
        " for 10 s. With the training and the first file two runs are in progress, and a third has to wait for one of them.",
        "",
        "| killed | healthy after | goes on after | requests unanswered | alarms |",
        "| --- | --- | --- | --- | --- |",
    ]
    for one in raw["outages"]:
        healthy = "" if one["healthy"] is None else f"{one['healthy']:.0f} s"
        alarms = ", ".join(one["alarms"]) or "none"
        lines.append(
            f"| {one['killed']} | {healthy} | {one['goes_on']:.0f} s | {one['unanswered']} | {alarms} |"
        )
    passes = "passes" if raw["audit_passes"] else "fails"
    lines += [
        "",
        f"Lost: {lost}, of {raw['answers']:,} answers that a client got. The audit of the champion {passes}. Most alarms wait for"
        f" minutes, so that a part which is back at once raises none. Load {raw['load'][0]:.0f} to {raw['load'][1]:.0f} on"
        f" {raw['cores']} cores.",
    ]
    if raw["stay_away"]:
        lines += ["", "| stopped | alarms | after |", "| --- | --- | --- |"]
        lines += [
            f"| {one['stopped']} | {', '.join(one['alarms']) or 'none'} | {one['seconds']} s |"
            for one in raw["stay_away"]
        ]
    return lines


if __name__ == "__main__":
    typer.run(main)
