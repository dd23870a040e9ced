"""Work on many pieces on the nodes of a Ray cluster. Needs the extra `ray`."""

import os
import pickle
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, Final

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # before Ray is imported

import ray
from ray.exceptions import RayTaskError

from fakenews_resources.mapping import Piece, Result

_PIECES_PER_CPU: Final = 2
"""Under way at a time: one at work, one waiting."""

_ONE_THREAD: Final = dict.fromkeys(("OMP_NUM_THREADS", "POLARS_MAX_THREADS", "RAYON_NUM_THREADS"), "1")
"""A task has one processor, and these libraries would take all of its machine's."""


class OnRay:
    """Works on all nodes of the cluster that this process is connected to, one piece per processor.

    Each piece is a Ray task: Ray finds a free processor for it and repeats it if its worker or node dies.
    """

    def map(
        self, setup: Callable[[], Callable[[Piece], Result]], pieces: Iterable[Piece]
    ) -> Iterator[Result]:
        """As `Mapper.map`."""
        stored = ray.put(setup)
        under_way: deque[ray.ObjectRef] = deque()
        try:
            for piece in pieces:
                under_way.append(_work.remote([stored], pickle.dumps(piece)))
                if len(under_way) >= _PIECES_PER_CPU * _processors():
                    yield _result(under_way.popleft())
            while under_way:
                yield _result(under_way.popleft())
        finally:
            for unwanted in under_way:
                ray.cancel(unwanted)


def connect(address: str | None) -> None:
    """Connect this process to a cluster.

    Args:
        address: as `ray.init` takes it; None starts a cluster of this machine, which ends with the connection.

    Raises:
        ConnectionError: there is no cluster.
    """
    if address is None:
        ray.init("local", include_dashboard=False, _node_ip_address="127.0.0.1", **_QUIET)
    else:
        ray.init(address, **_QUIET)


def is_connected() -> bool:
    """Whether this process is connected to a cluster, by whomever."""
    return ray.is_initialized()


def disconnect() -> None:
    """Leave the cluster, and end it if `connect` started it."""
    ray.shutdown()


# Pieces and results travel as bytes: what Ray hands out else is a read-only view, which also keeps its store from
# forgetting it.
@ray.remote(num_cpus=1, runtime_env={"env_vars": _ONE_THREAD})
def _work(stored: list[Any], piece: bytes) -> bytes:
    # In a list, Ray passes on the reference; bare it would unpack the content for each piece.
    return pickle.dumps(_function(stored[0])(pickle.loads(piece)))


@lru_cache(maxsize=1)
def _function(stored: Any) -> Callable[[Any], Any]:
    return ray.get(stored)()


def _processors() -> int:
    # Asked each time, for clusters grow.
    return max(1, int(ray.cluster_resources().get("CPU", 0)))


def _result(task: Any) -> Any:
    try:
        return pickle.loads(ray.get(task))
    except RayTaskError as error:
        raise error.cause from error
