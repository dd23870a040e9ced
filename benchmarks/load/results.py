"""What a load is, and what came of it."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from pydantic import TypeAdapter

FAILED: Final = 0
"""Stands for the status of a request that got no whole answer."""
GIVEN_UP: Final = -1
"""Stands for the status of a request that was never sent."""


@dataclass(frozen=True)
class Load:
    """What to send, and how."""

    url: str
    clients: int = 32
    """Connections, at most. In a closed loop each is a client."""
    seconds: float = 10.0
    """How long requests count, after the warm-up."""
    warm_up: float = 0.0
    """Seconds before that."""
    rate: float | None = None
    """Requests per second that fall due; None: closed loop."""
    rows: int = 1
    """Titles of a request; more than one go to /predict_batch."""
    classify: bool = False
    """Whether to ask as infinity is asked."""
    patience: float = 30.0
    """Seconds that a due request waits for a connection before it is given up."""
    ids: bool = False
    """Whether to keep the request ids of all answers of status 200, those outside the window too."""


@dataclass(frozen=True)
class Latency:
    """Percentiles in milliseconds."""

    p50: float
    p90: float
    p99: float
    max: float


@dataclass(frozen=True)
class Second:
    """The requests of one second of the window."""

    second: int
    requests: int
    statuses: dict[int, int]
    p99: float | None
    """Milliseconds, of the answers of status 200."""


@dataclass(frozen=True)
class Result:
    """What happened to the requests of the window: those answered in it (closed loop) or due in it (open loop)."""

    seconds: float
    """Length of the window."""
    began_at: float
    """Unix time at which the window began."""
    ended_at: float
    requests: int
    """Answered with whatever status."""
    rps: float
    """Answers of status 200 per second."""
    sent_rps: float
    """Requests per second that were really sent."""
    statuses: dict[int, int]
    """Answers by status."""
    errors: int
    """Connections refused or lost, answers cut short or never come."""
    given_up: int
    """Found no free connection in time; never sent."""
    latency: dict[int, Latency]
    """By status."""
    lag: Latency | None
    """How long after the moment it fell due the generator noticed a request: its own lateness. Open loop only."""
    cpu_seconds: float
    """Of the generator itself, in the window."""
    cpu_share: float
    """The same as a share of one core."""
    timeline: list[Second]
    request_ids: list[str]

    @property
    def ok(self) -> Latency:
        """Latency of the answers of status 200. Raises KeyError if there were none."""
        return self.latency[200]

    @property
    def not_ok(self) -> int:
        """Requests without an answer of status 200."""
        return self.requests - self.statuses.get(200, 0) + self.errors + self.given_up

    def summary(self) -> dict[str, Any]:
        """The fields but those that hold much."""
        return {key: value for key, value in asdict(self).items() if key not in ("timeline", "request_ids")}


RESULT: Final = TypeAdapter(Result)


def percentiles(seconds: Sequence[float]) -> Latency:
    """Of at least one latency, in seconds."""
    ordered = sorted(seconds)
    p50, p90, p99, last = (
        1000 * ordered[math.ceil(share * len(ordered)) - 1] for share in (0.5, 0.9, 0.99, 1.0)
    )
    return Latency(p50, p90, p99, last)


def timeline_of(rows: Sequence[tuple[float, float, int]], begin: float) -> list[Second]:
    """The window second by second.

    Args:
        rows: stamp, latency and outcome of each request of the window.
        begin: stamp of its beginning.
    """
    seconds: dict[int, list[tuple[float, int]]] = {}
    for stamp, latency, outcome in rows:
        seconds.setdefault(int(stamp - begin), []).append((latency, outcome))
    timeline = []
    for second, found in sorted(seconds.items()):
        good = [latency for latency, outcome in found if outcome == 200]
        statuses = dict(sorted(Counter(outcome for _, outcome in found).items()))
        timeline.append(Second(second, len(found), statuses, percentiles(good).p99 if good else None))
    return timeline
