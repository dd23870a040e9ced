"""What BentoML and uvicorn have no setting for."""

import re
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
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


CHUNKED = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
ARTICLE = b'{"title": "Senate passes the budget", "text": "' + b"words " * 2_000 + b'"}'


def in_chunks(body: bytes, size: int) -> bytes:
    parts = (body[at : at + size] for at in range(0, len(body), size))
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)


def answers(address: tuple[str, int], sent: bytes, count: int) -> bytes:
    """What the server sends until it closes the connection or has answered as often as wanted."""
    found = b""
    with socket.create_connection(address, timeout=PATIENCE) as connection:
        with suppress(ConnectionError):
            connection.sendall(sent)
        with suppress(ConnectionError):
            while found.count(b"HTTP/1.1 ") < count and (more := connection.recv(2**20)):
                found += more
    return found


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"GET /livez HTTP/1.1\r\nX-Long: " + b"x" * 2_000_000 + b"\r\n\r\n", id="header"),
        pytest.param(b"GET /livez HTTP/1.1\r\n" + b"a: b\r\n" * 1_000 + b"\r\n", id="headers"),
        pytest.param(CHUNKED + in_chunks(ARTICLE, 4096) + b"0\r\n" + b"a: b\r\n" * 400_000 + b"\r\n", id="trailers"),
        pytest.param(CHUNKED + in_chunks(ARTICLE * 20, 1) + b"0\r\n\r\n", id="chunks of one byte"),
        pytest.param(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" * 1_000, id="pipelined"),
    ],
)  # fmt: skip
def test_what_is_sent_beside_bodies_is_limited(address: tuple[str, int], sent: bytes) -> None:
    assert b"HTTP/1.1 200" not in answers(address, sent, 1_000)


def test_chunks_trailers_and_requests_in_a_row_are_answered(address: tuple[str, int]) -> None:
    chunked = CHUNKED + in_chunks(ARTICLE, 64) + b"0\r\nX-Sum: 1\r\n\r\n"
    assert answers(address, chunked, 1).startswith(b"HTTP/1.1 200")
    row = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" * 20
    assert answers(address, row, 20).count(b"HTTP/1.1 200") == 20


@pytest.mark.parametrize("hosts", [b"", b"Host: x\r\nhost: y\r\n"], ids=["none", "two"])
def test_a_request_names_one_host(address: tuple[str, int], hosts: bytes) -> None:
    assert answers(address, b"GET /livez HTTP/1.1\r\n" + hosts + b"\r\n", 1).startswith(b"HTTP/1.1 400")
    assert answers(address, b"GET /livez HTTP/1.0\r\n\r\n", 1).startswith(b"HTTP/1.1 200")


def test_who_asks_and_leaves_is_not_answered(
    service: Server, address: tuple[str, int], client: httpx.Client
) -> None:
    body = b'{"title": "Senate passes the budget"}'
    request = (
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
    )
    before = service.metric("fakenews_verdicts_total")
    for _ in range(20):
        with socket.create_connection(address, timeout=PATIENCE) as connection:
            # Held back until the connection is closed, so that the server gets both at once.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
            connection.sendall(request % (len(body), body))
    assert client.post("/predict", json={"title": "The next one stays"}).status_code == 200
    assert service.metric("fakenews_verdicts_total") == before + 1


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
