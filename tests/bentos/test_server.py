"""What BentoML and uvicorn have no setting for."""

import re
import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn.config
from bentoml._internal.server.base_app import BaseAppFactory

from bentos.fakenews.http import server
from bentos.fakenews.settings import ServiceSettings
from tests.support.servers import Server

PATIENCE = 30
"""Seconds. The server of these tests waits for two (`FAKENEWS_BODY_SECONDS`)."""


@pytest.fixture
def address(service: Server) -> tuple[str | None, int | None]:
    return urlsplit(service.url).hostname, urlsplit(service.url).port


@pytest.fixture
def connections(address: tuple[str, int]) -> Iterator[list[socket.socket]]:
    opened = [socket.create_connection(address, timeout=PATIENCE) for _ in range(200)]
    yield opened
    for one in opened:
        one.close()


def closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1024) == b""
    except ConnectionError:
        return True


def test_dead_and_half_sent_connections_are_closed(
    connections: list[socket.socket], client: httpx.Client
) -> None:
    for number, one in enumerate(connections):
        if number % 3 == 1:
            one.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-")
        elif number % 3 == 2:
            # A whole request first; the head of the next one stops in the middle.
            one.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /liv")
            assert one.recv(1024).startswith(b"HTTP/1.1 200")
    assert client.get("/livez").status_code == 200
    for one in connections:
        while not closed(one):
            pass


def read_all(connection: socket.socket) -> None:
    while connection.recv(2**20):
        pass


def ended_uploads(client: httpx.Client) -> float:
    found = re.findall(
        r'fakenews_requests_total\{endpoint="/predict_csv",status="\d+"\} (\S+)', client.get("/metrics").text
    )
    return sum(map(float, found))


def test_clients_that_never_read_give_their_place_back(
    address: tuple[str, int], client: httpx.Client
) -> None:
    rows = b"title\n" + b"Senate passes the budget after a long debate that went on and on\n" * 30_000
    body = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
        + rows
        + b"\r\n--x--\r\n"
    )
    head = (
        b"POST /predict_csv HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        b"Content-Length: %d\r\n\r\n" % len(body)
    )
    before = ended_uploads(client)
    silent = [socket.socket() for _ in range(3)]
    try:
        for one in silent:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            one.settimeout(PATIENCE)
            one.connect(address)
            one.sendall(head + body)
        deadline = time.monotonic() + PATIENCE
        while ended_uploads(client) < before + len(silent):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        for one in silent:  # cut off, not served
            with pytest.raises(ConnectionError):
                read_all(one)
    finally:
        for one in silent:
            one.close()


def test_other_versions_are_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(BaseAppFactory, "middlewares")
    with pytest.raises(
        RuntimeError, match=r"does not fit the installed BentoML or uvicorn. Install the versions"
    ):
        server.install(ServiceSettings())
    assert uvicorn.config.HTTP_PROTOCOLS["auto"].startswith("uvicorn.")
