"""SIGTERM: what is in flight is answered or told, and new connections are refused at once."""

import asyncio
import csv
import io
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from unittest.mock import Mock
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn
from uvicorn.server import ServerState

from bentos.fakenews.http.server import Protocol, Server
from tests.support.servers import serve

ROWS = 60_000
BODY = b'{"title": "a headline"}'
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
HEAD = (
    b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    % len(BODY)
)


def read_all(connection: socket.socket) -> bytes:
    answer = b""
    while piece := connection.recv(65536):
        answer += piece
    return answer


def is_refused(address: tuple[str | None, int | None]) -> bool:
    """Whether nothing listens any more. Nobody is left waiting: that would be a time-out here."""
    try:
        with socket.create_connection(address, timeout=10) as late:
            late.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            late.recv(1024)
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:  # it came at the very moment
        return False
    return False


@pytest.mark.server
def test_a_service_that_is_told_to_stop(tmp_path: Path, models: Path) -> None:
    upload = "title\n" + "".join(f"headline number {row}\n" for row in range(ROWS))
    with serve(tmp_path, models, {"FAKENEWS_SHUTDOWN_SECONDS": "2"}) as server:
        address = (urlsplit(server.url).hostname, urlsplit(server.url).port)
        begun, silent = (socket.create_connection(address, timeout=60) for _ in range(2))
        for connection in (begun, silent):
            connection.sendall(HEAD + BODY[:5])
        with httpx.stream("POST", f"{server.url}/predict_csv", files={"file": upload}, timeout=60) as answer:
            pieces = answer.iter_text()
            text = next(pieces)
            server.process.send_signal(signal.SIGTERM)
            while not is_refused(address):
                time.sleep(0.01)
            begun.sendall(BODY[5:])
            assert read_all(begun).startswith(b"HTTP/1.1 200")
            text += "".join(pieces)
        refused = read_all(silent)
        assert refused.startswith(b"HTTP/1.1 503")
        assert b'"code":"stopping"' in refused
        assert server.process.wait(60) == 0
        assert "Traceback" not in server.printed()

    rows = list(csv.DictReader(io.StringIO(text)))
    assert 0 < len(rows) < ROWS
    assert [int(row["row"]) for row in rows] == list(range(1, len(rows) + 1))
    assert rows[-1]["error"] == f"The service is stopping. Send the file again from row {len(rows):,} on."
    assert not any(row["error"] for row in rows[:-1])


async def stop(stopping: pytest.MonkeyPatch, *, asked: bool) -> Mock:
    """A connection, in use or not, of a service that stops. In use, it sends one more request."""

    async def app(
        scope: object, receive: object, send: Callable[[Mapping[str, object]], Awaitable[None]]
    ) -> None:
        del scope, receive
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})
        answered.set()

    answered = asyncio.Event()
    config = uvicorn.Config(app)
    config.load()
    protocol, transport = Protocol(config, ServerState(), {}), Mock()
    transport.is_closing.return_value = False
    transport.get_extra_info.return_value = None
    protocol.connection_made(transport)
    if asked:
        protocol.data_received(REQUEST)
        await answered.wait()
    stopping.setattr(Server, "ends_at", time.monotonic())
    protocol.shutdown()
    if asked:
        assert not transport.close.called
        answered.clear()
        protocol.data_received(REQUEST)
        await answered.wait()
    return transport


def test_a_connection_in_use_is_told_of_the_end_and_another_one_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Protocol, "parting_seconds", 3600)
    monkeypatch.setattr(Server, "ends_at", None)
    transport = asyncio.run(stop(monkeypatch, asked=True))
    written = b"".join(call.args[0] for call in transport.write.call_args_list)
    first, last = written.split(b"HTTP/1.1 200")[1:]
    assert b"connection: close" not in first
    assert b"connection: close" in last
    assert transport.close.called
    assert asyncio.run(stop(monkeypatch, asked=False)).close.called
