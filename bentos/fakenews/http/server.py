"""What BentoML and uvicorn have no setting for: both are changed here, and nowhere else."""

import asyncio
import logging
import select
import socket
from functools import partial
from math import inf
from time import monotonic
from typing import Any, ClassVar, Final

import uvicorn
import uvicorn.config
from bentoml._internal.server.base_app import BaseAppFactory
from bentoml._internal.utils import circus
from starlette.types import Scope
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bentos.fakenews.settings import ServiceSettings

ABORT: Final = "fakenews.abort"
"""Extension of an ASGI scope: closes the connection at once, whatever is left to send."""
_HAS_LEFT: Final = "fakenews.has_left"

_LOGGERS: Final = ("bentos", "fakenews_assets", "fakenews_resources")
_LOOK_SECONDS: Final = 1
"""How often BentoML's supervisor looks whether the service's process is alive, to start another one."""
_HEAD_BYTES: Final = 64 * 1024
"""Most bytes of a request beside its body: its head, its trailers, and what parts a body into chunks, for which a quarter of
the body comes on top. What arrives in one piece with the end of a request does not count."""
_HEADERS: Final = 200
_PIPELINED: Final = 32
"""Most requests of one connection that wait for the answer to the one before."""
_TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
)
_LAST_SECONDS: Final = 2
"""After the grace time, for the last lines of files to be sent."""


class Server(uvicorn.Server):
    """Ends within a grace time, and refuses connections meanwhile."""

    grace_seconds: ClassVar[float] = 5
    ends_at: ClassVar[float | None] = None
    """`monotonic` of the end of the grace time; None until the server is told to stop."""

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        Server.ends_at = monotonic() + self.grace_seconds
        self.config.timeout_graceful_shutdown = int(self.grace_seconds + _LAST_SECONDS)
        for one in sockets or []:
            # BentoML's supervisor holds it too: without this, connections would wait there and never be answered.
            one.shutdown(socket.SHUT_RDWR)
        await super().shutdown(sockets)

    @classmethod
    def is_over(cls) -> bool:
        """Whether the grace time is over, so that work of any length has to stop."""
        return cls.ends_at is not None and monotonic() > cls.ends_at


def has_left(scope: Scope) -> bool:
    """Whether the client of a request has closed the connection."""
    found = scope.get("extensions", {}).get(_HAS_LEFT)
    return found is not None and found()


class Refused(ValueError):
    """Ends the parsing of what a client has sent."""


class Protocol(HttpToolsProtocol):
    """HTTP/1.1 that closes a connection on which nothing happens, and one that sends much beside bodies.

    uvicorn waits for ever for a head or a reader, and takes heads, trailers and pipelined requests of any size and number.
    """

    seconds: ClassVar[float] = 15
    """Time for the head of a request to arrive, and for a client to take anything of what was sent."""
    idle_seconds: ClassVar[int] = 75
    """How long a connection is kept for the next request."""
    parting_seconds: ClassVar[float] = 2
    """How long a service that stops waits for the next request of a connection in use, to say with the answer that it was
    the last one. Closed at once, the connection would lose a request that is under way."""
    _extensions: dict[str, Any]
    """Of the scope of the request that is being read."""
    _head_timer: asyncio.TimerHandle | None = None
    _in_head = True
    _has_host = False
    _is_ended = False
    """Whether a request has ended in the piece that is being read."""
    _body_bytes = 0
    """Of the request that is being read."""
    _other_bytes = 0
    """The same beside its body."""
    _answered: float = -inf
    """`monotonic` of the last answer."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().connection_made(transport)
        own = transport.get_extra_info("socket")
        if own and _is_closed(own):
            transport.abort()
            return
        self.timeout_keep_alive = self.idle_seconds  # BentoML always sets its own five seconds
        self._await_head()
        if own and hasattr(socket, "TCP_USER_TIMEOUT"):
            # Linux: the kernel also ends a connection that was closed here, and whose client never reads the rest.
            own.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(1000 * self.seconds))

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        before, self._is_ended = self._body_bytes, False
        super().data_received(data)
        if self.transport.is_closing():
            return
        self._other_bytes += 0 if self._is_ended else len(data) - (self._body_bytes - before)
        if self._other_bytes > _HEAD_BYTES + self._body_bytes // 4:
            if self._in_head and (self.cycle is None or self.cycle.response_complete):
                self.transport.write(_TOO_LARGE)
                self.transport.close()
            else:
                self.transport.abort()
        if self._head_timer is None and (self.cycle is None or self.cycle.response_complete):
            self._await_head()

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= _PIPELINED:
            self.transport.abort()
            raise Refused
        super().on_message_begin()
        self._in_head, self._has_host = True, False
        if self._head_timer is None:  # it came together with the request before
            self._await_head()
        self._extensions = {ABORT: self.transport.abort}
        self.scope["extensions"] = self._extensions

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            return  # a trailer, which nothing here reads
        if len(self.headers) >= _HEADERS:
            raise Refused
        if name.lower() == b"host":
            # RFC 9112, section 3.2: who stands before this service may have gone by the other one.
            if self._has_host:
                raise Refused
            self._has_host = True
        super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._is_ended, self._body_bytes, self._other_bytes = True, 0, 0
        super().on_message_complete()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._head_came()
        if not self._has_host and self.parser and self.parser.get_http_version() == "1.1":
            raise Refused
        super().on_headers_complete()
        if self.cycle is not None:
            self._extensions[_HAS_LEFT] = partial(getattr, self.cycle, "disconnected")
            if Server.ends_at is not None:
                self.cycle.keep_alive = False

    def eof_received(self) -> None:
        # The connection is closed now. uvicorn would know it a moment later, when the request has begun.
        if self.cycle is not None:
            self.cycle.disconnected = True

    def on_response_complete(self) -> None:
        self._answered = monotonic()
        super().on_response_complete()

    def shutdown(self) -> None:
        left = self._answered + self.parting_seconds - monotonic()
        if left > 0 and self.cycle is not None and self.cycle.response_complete:
            self.loop.call_later(left, super().shutdown)
        else:
            super().shutdown()

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(self.seconds, self.transport.abort)

    def _head_came(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


def _is_closed(connection: socket.socket) -> bool:
    """Whether the client has closed a connection before it was accepted. Clients who ask and leave would else fill the queue
    of those that wait to be accepted, from which the kernel turns others away for seconds."""
    if not hasattr(select, "POLLRDHUP"):  # it is Linux that tells
        return False
    poll = select.poll()
    poll.register(connection, select.POLLRDHUP)
    return bool(poll.poll(0))


def install(settings: ServiceSettings) -> None:
    """Have the server that BentoML is about to start use what is defined here.

    Raises:
        RuntimeError: these versions of BentoML and uvicorn have other names for it.
    """
    if (
        "auto" not in uvicorn.config.HTTP_PROTOCOLS
        or not isinstance(getattr(BaseAppFactory, "middlewares", None), property)
        or not hasattr(circus, "create_standalone_arbiter")
        or "auto" not in uvicorn.config.LOOP_FACTORIES
    ):
        raise RuntimeError(
            "bentos/fakenews/http/server.py does not fit the installed BentoML or uvicorn. Install the versions of"
            " requirements.lock, or adapt that module: tests/bentos/test_server.py says what it has to achieve."
        )
    Protocol.seconds = settings.body_seconds
    Protocol.idle_seconds = settings.keep_alive_seconds
    Server.grace_seconds = settings.shutdown_seconds
    uvicorn.Server = Server
    uvicorn.config.HTTP_PROTOCOLS["auto"] = f"{Protocol.__module__}:{Protocol.__name__}"
    # Where uvloop is missing, the service says so at its start. It would be another server than the one that is tested.
    uvicorn.config.LOOP_FACTORIES["auto"] = uvicorn.config.LOOP_FACTORIES["uvloop"]
    # BentoML 1.4's own time limit holds on to every request, answered or not, until the limit has passed: an hour's
    # traffic in memory, and collecting the garbage among it stops the service for a quarter of a second every second.
    # There is no setting to leave it out. The API limits what it waits for by itself.
    BaseAppFactory.middlewares = property(lambda _: [])  # pyright: ignore[reportAttributeAccessIssue]
    # In the supervisor, which loads the service first. It would look every ten seconds.
    circus.create_standalone_arbiter = partial(circus.create_standalone_arbiter, check_delay=_LOOK_SECONDS)
    for name in _LOGGERS:  # else they would say nothing below a warning
        logging.getLogger(name).setLevel(logging.INFO)
