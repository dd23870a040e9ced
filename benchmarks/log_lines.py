"""CPU time of log lines with and without seals, for `benchmarks.evidence`."""

import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final, TypeVar

from rich.console import Console

from fakenews_assets.models.classifier import Article
from fakenews_assets.monitoring.log.prediction_log import PredictionLog
from fakenews_assets.monitoring.log.records import log_line
from fakenews_assets.monitoring.log.sealing import rotate_sealed, seal_lines
from fakenews_resources.request_ids import new_request_id
from fakenews_resources.storage.backend import FolderBackend

console = Console()
T = TypeVar("T")

_A_DAY: Final = 1_000_000
"""Lines of the day that is measured."""
_SEALS: Final = 48
"""Seals of a day, one every half hour."""
_ROUNDS: Final = 10


def line_cost(lines: int) -> dict[str, Any]:
    """CPU time of the lines of a log from the answer to the table of a past day, with and without seals, in alternation.

    Lines are written one by one, as a service does that answers a million requests a day: 12 a second.

    Args:
        lines: of each kind.
    """
    rounds: list[dict[str, float]] = []
    for number in range(_ROUNDS):
        order = (False, True) if number % 2 else (True, False)
        spent = {sealed: _write(lines // _ROUNDS, sealed=sealed) for sealed in order}
        rounds.append({"sealed_us": spent[True], "unsealed_us": spent[False]})
        console.print(f"round {number + 1}: {spent[True]:.2f} and {spent[False]:.2f} us a line")
    means = {name: sum(one[name] for one in rounds) / _ROUNDS for name in rounds[0]}
    return {"lines": lines, **means, "rounds": rounds}


def _write(lines: int, *, sealed: bool) -> float:
    """Microseconds of CPU time per line."""
    random, now = Random(0), datetime.now(UTC)
    articles = [(Article(f"A title of some length, number {n}", ""), random.random()) for n in range(lines)]
    with tempfile.TemporaryDirectory() as folder:
        log = PredictionLog(Path(folder), now=lambda: now)
        began = time.process_time()
        for part in _parts(articles, _A_DAY // _SEALS):
            for article, probability in part:
                log.append("predictions", [_line(article, probability, now)])
            log.index()
            if sealed:
                seal_lines(FolderBackend(log.root))
        log.close()
        now += timedelta(days=2)
        (rotate_sealed if sealed else PredictionLog.rotate)(log)
        return 1e6 * (time.process_time() - began) / lines


def _line(article: Article, probability: float, now: datetime) -> dict[str, Any]:
    prediction = {
        "article_id": f"{hash(article.title) & (2**128 - 1):032x}",
        "probability": probability,
        "predicted_label": int(probability >= 0.5),
        "abstained": False,
        "out_of_distribution": False,
    }
    return log_line(
        article,
        prediction,
        time=now,
        request_id=new_request_id(),
        row=1,
        endpoint="/predict",
        model_id="b" * 64,
        latency_ms=12.345,
        with_text=True,
    )


def _parts(items: list[T], size: int) -> Iterator[list[T]]:
    return (items[at : at + size] for at in range(0, len(items), size))
