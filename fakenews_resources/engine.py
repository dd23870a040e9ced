"""The engine as a Dagster resource: where work on rows runs, in this process or on Ray."""

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import dagster as dg
from pydantic import Field, PrivateAttr

from fakenews_resources.mapping import InProcess, Mapper, Piece, Result

IN_PROCESS: Final = "in_process"
LOCAL_RAY: Final = "ray"
ENGINE_VARIABLE: Final = "FAKENEWS_ENGINE"


class Engine(dg.ConfigurableResource):
    """Works on pieces of data wherever it is configured to. Results are the same everywhere.

    A cluster is connected to when the first work comes, and left at the end of the run.
    """

    address: str = Field(
        default=IN_PROCESS,
        description="`in_process`; `ray`: a Ray cluster of this machine, started for the run; or the address of a"
        " cluster that is there, as Ray takes it: `ray://host:10001`, or on one of its nodes `auto` or `host:6379`.",
    )
    _connected: bool = PrivateAttr(default=False)

    def map(
        self, setup: Callable[[], Callable[[Piece], Result]], pieces: Iterable[Piece]
    ) -> Iterator[Result]:
        """As `Mapper.map`.

        Raises:
            dg.Failure: Ray is not installed, or there is no cluster at the address.
        """
        return self._mapper().map(setup, pieces)

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        if self._connected:
            from fakenews_resources import ray_mapping

            ray_mapping.disconnect()
            self._connected = False

    def _mapper(self) -> Mapper:
        if self.address == IN_PROCESS:
            return InProcess()
        try:
            from fakenews_resources import ray_mapping
        except ModuleNotFoundError as error:
            if error.name != "ray":
                raise
            raise dg.Failure(
                f"{ENGINE_VARIABLE}={self.address} needs Ray: pip install 'fakenews[ray]'", allow_retries=False
            ) from error
        if not ray_mapping.is_connected():
            try:
                ray_mapping.connect(None if self.address == LOCAL_RAY else self.address)
            except (ConnectionError, ValueError) as error:
                raise dg.Failure(
                    f"{ENGINE_VARIABLE}={self.address}: {error}. It is {IN_PROCESS}, {LOCAL_RAY}, or the address of a"
                    " Ray cluster that runs."
                ) from error
            self._connected = True
        return ray_mapping.OnRay()


def engine_from_environment() -> Engine:
    """The engine that FAKENEWS_ENGINE names."""
    return Engine(address=os.environ.get(ENGINE_VARIABLE) or IN_PROCESS)
