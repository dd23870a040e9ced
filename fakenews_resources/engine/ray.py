"""The ordered map on Ray, with one task per piece. Ray does scheduling, retries and transport."""

import os
import pickle
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import ray
from ray.exceptions import RayError, RayTaskError

from fakenews_resources.engine.in_process import Piece, Result

LOCAL: Final = "ray"
"""Starts a Ray on this machine for the duration of the run, instead of connecting to an address."""

PIECES_PER_CPU: Final = 2
"""Pieces in flight per processor: one in work and one waiting, so that no processor is idle."""

_THREADS: Final = {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
"""One processor and one thread per task, so that tasks do not compete for processors."""

_ANSWER_SECONDS: Final = 10

_made: dict[str, tuple[object, Callable[[Any], Any]]] = {}
"""In a worker process: the newest worker by the id of its reference, and its function. Only one is kept, because
models are large."""


class RayUnavailable(RuntimeError):
    """No cluster can be reached at the address."""


class WorkersLost(RuntimeError):
    """Ray gave up on a piece of work after its own retries."""


def connect(address: str) -> bool:
    """Connect this process to Ray, unless it is connected already.

    Args:
        address: `LOCAL`, `auto`, `host:port` or `ray://host:port`.

    Returns:
        Whether this call connected it.

    Raises:
        RayUnavailable: there is no such cluster.
    """
    if ray.is_initialized():
        return False
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "warning"}
    try:
        if address == LOCAL:
            ray.init("local", include_dashboard=False, **quiet)
        else:
            _require_answer(address)
            ray.init(address, **quiet)
    except (OSError, RuntimeError, ValueError, RayError) as error:
        raise RayUnavailable(f"No Ray at {address!r}: {error}") from error
    return True


def disconnect() -> None:
    """Disconnect from the cluster. A local one is stopped."""
    ray.shutdown()


def ray_map(worker: Callable[[], Callable[[Piece], Result]], pieces: Iterable[Piece], /) -> Iterator[Result]:
    """Map on the cluster that this process is connected to.

    Raises:
        WorkersLost: a worker died repeatedly at the same piece, or the cluster is gone.
    """
    # In a list Ray hands the reference on; by itself it would unpack the worker for every piece.
    reference = [ray.put(worker)]
    in_flight: deque[ray.ObjectRef] = deque()
    try:
        for piece in pieces:
            # Asked every time: a cluster may grow meanwhile, and grows when tasks wait.
            while len(in_flight) >= PIECES_PER_CPU * _cpus():
                yield _result(in_flight.popleft())
            in_flight.append(_task.remote(reference, piece))
        while in_flight:
            yield _result(in_flight.popleft())
    finally:
        for abandoned in in_flight:
            ray.cancel(abandoned)


def work_on(reference: list[ray.ObjectRef], piece: Any) -> bytes:
    """Apply the worker's function to a piece, in a worker process.

    The result is pickled here: Ray's arrays point into the object store and would occupy it for as long as somebody
    keeps them.
    """
    key = reference[0].hex()
    if key not in _made:
        _made.clear()
        worker = ray.get(reference[0])
        # The worker stays beside what it made: with it would go the folder that was shipped.
        _made[key] = (worker, worker())
    return pickle.dumps(_made[key][1](piece), protocol=5)


# Not as a decorator: the function has to be found under its name, else Ray copies it, and `_made` with it.
_task = ray.remote(num_cpus=1, scheduling_strategy="SPREAD", runtime_env={"env_vars": _THREADS})(work_on)


def _require_answer(address: str) -> None:
    """Ray itself tries for two minutes. Raises OSError, or ValueError for what is no address."""
    if address == "auto":
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=_ANSWER_SECONDS):
        pass


def _cpus() -> int:
    return max(1, int(ray.cluster_resources().get("CPU", 0)))


def _result(reference: ray.ObjectRef) -> Any:
    try:
        return pickle.loads(ray.get(reference))
    except RayTaskError as error:
        raise error.cause from error
    except RayError as error:
        raise WorkersLost(f"Ray could not finish a piece of work: {error}") from error
