"""A load generator for the serving benchmark: HTTP/1.1 over kept connections, in a process of its own.

    python -m benchmarks.load --url http://127.0.0.1:3001 --titles FILE --clients 32 --seconds 10
    python -m benchmarks.load --url http://127.0.0.1:3001 --titles FILE --rate 500 --clients 256

Closed loop without --rate: each client sends its next request as soon as it has the answer to the one before.
Open loop with it: requests fall due at a fixed rate, whatever the server does, and latency counts from that
moment. So a request that finds every connection busy waits, and its wait counts. It shares the machine with the
server it measures; hence requests are made in advance and answers are barely parsed.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from benchmarks.load.generator import generate
from benchmarks.load.results import RESULT, Load


def main(
    url: Annotated[str, typer.Option(help="Server, such as http://127.0.0.1:3001.")],
    titles: Annotated[Path, typer.Option(help="JSON array of titles, sent in their order, again and again.")],
    clients: Annotated[int, typer.Option(min=1, help="Connections, at most.")] = 32,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long requests count.")] = 10.0,
    warm_up: Annotated[float, typer.Option(min=0, help="Seconds before that.")] = 0.0,
    rate: Annotated[float | None, typer.Option(help="Requests per second; without: closed loop.")] = None,
    rows: Annotated[int, typer.Option(min=1, help="Titles of a request.")] = 1,
    patience: Annotated[float, typer.Option(help="Longest wait for a connection, seconds.")] = 30.0,
    ids: Annotated[bool, typer.Option(help="List the request ids of all answers of status 200.")] = False,
    classify: Annotated[bool, typer.Option(help="Ask as infinity is asked.")] = False,
) -> None:
    """Put a load on a server and print the result as JSON."""
    load = Load(url, clients, seconds, warm_up, rate, rows, classify, patience, ids)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(generate(load, json.loads(titles.read_text())))
    sys.stdout.write(RESULT.dump_json(result, indent=None).decode() + "\n")


if __name__ == "__main__":
    typer.run(main)
