"""The Dagster resource for row-parallel work: in the run's own process, or on Ray."""

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import dagster as dg
from pydantic import Field, PrivateAttr

from fakenews_resources.engine.in_process import Piece, Result, in_process

IN_PROCESS: Final = "in_process"


class Engine(dg.ConfigurableResource):
    """Runs row-parallel work with the same results in process and on Ray. A Ray that it started ends with the run."""

    address: str = Field(
        default=IN_PROCESS,
        min_length=1,
        description="`in_process`; `ray` for a Ray on this machine while the run lasts; or the address of a cluster:"
        " `auto`, `host:port` or `ray://host:port`.",
    )
    _connected: bool = PrivateAttr(default=False)

    def map(
        self, worker: Callable[[], Callable[[Piece], Result]], pieces: Iterable[Piece], /
    ) -> Iterator[Result]:
        """An `OrderedMap`. Connects to Ray at the first call.

        Raises:
            dg.Failure: Ray is not installed, not there, or gave up on a piece.
        """
        if self.address == IN_PROCESS:
            yield from in_process(worker, pieces)
            return
        try:
            from fakenews_resources.engine.ray import RayUnavailable, WorkersLost, connect, ray_map
        except ModuleNotFoundError as error:
            raise dg.Failure(
                f"FAKENEWS_ENGINE is {self.address!r}, but Ray is not installed: pip install '.[ray]', or unset it.",
                allow_retries=False,
            ) from error
        try:
            self._connected |= connect(self.address)
            yield from ray_map(worker, pieces)
        except RayUnavailable as error:
            raise dg.Failure(
                f"{error}. Start the cluster, or set FAKENEWS_ENGINE to `ray` or `{IN_PROCESS}`."
            ) from error
        except WorkersLost as error:
            raise dg.Failure(
                f"{error}. If memory is short, give the nodes more memory, or fewer processors."
            ) from error

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002  # Dagster's signature
        if self._connected:
            from fakenews_resources.engine.ray import disconnect

            disconnect()
            self._connected = False


def engine_from_environment() -> Engine:
    """The engine that FAKENEWS_ENGINE names."""
    return Engine(address=os.environ.get("FAKENEWS_ENGINE") or IN_PROCESS)
