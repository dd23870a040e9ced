"""A bucket on this machine: the storage emulator behind a gate that keeps what Google promises and the emulator does not.

The gate enforces `ifGenerationMatch`, names the generation of what it hands out, and does to the next requests what a
test tells it to.
"""

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pytest
from gcp_storage_emulator.server import RequestHandler, create_server
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from fakenews_resources.processes import free_port
from fakenews_resources.storage import bucket as module
from fakenews_resources.storage.google_client import client
from tests.support.answering import answering

Fault = Literal["429", "503", "reset", "cut", "lost"]
"""A status; the connection reset, or cut in the middle of what is sent or of what is read; done, but the answer lost."""


OUTAGE: Final[tuple[Fault, ...]] = ("503",) * 1000
"""Longer than any client asks again."""


@dataclass
class Gate:
    """What lies between clients and the emulator."""

    emulator: int
    port: int = 0
    struck: list[tuple[Fault, str]] = field(default_factory=list[tuple[Fault, str]])
    """The faults that happened, and to what."""
    _plan: list["_Strike"] = field(default_factory=list["_Strike"])
    _lock: threading.Lock = field(default_factory=threading.Lock)
    unheard: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict[str, Any])
    """Lost answers to pieces of large files. Google ignores a piece that it has already; the emulator would refuse it."""
    after_loss: Callable[[], object] | None = None
    """Called once, when an answer has been lost and before the client can ask again."""
    writing: threading.RLock = field(default_factory=threading.RLock)

    def strike(self, pattern: str, *faults: Fault, every: int = 1) -> None:
        """Let requests whose `METHOD path object` matches fail, one fault each: the next ones, or every so many."""
        self._plan.append(_Strike(re.compile(pattern), list(faults), every))

    def strike_no_more(self) -> None:
        """Let everything through again."""
        self._plan.clear()

    def fault(self, request: str, kinds: Sequence[Fault]) -> Fault | None:
        """What is to happen to a request now."""
        with self._lock:
            for strike in self._plan:
                if strike.faults and strike.faults[0] in kinds and strike.pattern.search(request):
                    strike.met += 1
                    if strike.met % strike.every == 0:
                        self.struck.append((strike.faults[0], request))
                        return strike.faults.pop(0)
        return None


@dataclass
class _Strike:
    pattern: re.Pattern[str]
    faults: list[Fault]
    every: int
    met: int = 0


@contextmanager
def open_bucket(name: str = "news") -> Iterator[Gate]:
    """The emulator and the gate, both of which end with the context."""
    port = free_port()
    RequestHandler.disable_nagle_algorithm = True
    emulator = create_server("127.0.0.1", port, in_memory=True, default_bucket=name)
    emulator.start()
    gate = Gate(port)
    try:
        with answering(_handler(gate), _Quiet) as address:
            gate.port = int(address.rpartition(":")[2])
            yield gate
    finally:
        threading.Thread(target=emulator.stop).start()  # it takes half a second


@contextmanager
def served_bucket(monkeypatch: pytest.MonkeyPatch, name: str = "news") -> Iterator[Gate]:
    """The same, as the bucket that this process and its children reach."""
    with open_bucket(name) as gate:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{gate.port}")
        client.cache_clear()
        yield gate
    client.cache_clear()


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """An empty bucket `news`; clients retry at once, and for three seconds."""
    monkeypatch.setenv("FAKENEWS_CACHE", str(tmp_path / "cache"))
    patient = module.retry()
    monkeypatch.setattr(
        module, "retry", lambda: patient.with_delay(initial=0.01, maximum=0.05).with_timeout(3)
    )
    with served_bucket(monkeypatch) as gate:
        yield gate


def objects(gate: Gate, bucket: str = "news") -> dict[str, bytes]:
    """Everything in the bucket."""
    reader = storage.Client(
        project="test",
        credentials=AnonymousCredentials(),
        client_options={"api_endpoint": f"http://127.0.0.1:{gate.emulator}"},
    )
    return {blob.name: blob.download_as_bytes() for blob in reader.list_blobs(bucket)}


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was hung up on is nothing to tell of."""


def _handler(gate: Gate) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body are two packets: else the second one waits 40 ms for the first one's receipt.
        disable_nagle_algorithm = True

        def _pass_on(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            if length and gate.fault(f"{self.command} {self.path}", ("cut",)):
                self.rfile.read(length // 2)
                self._hang_up()
                return
            body = self.rfile.read(length)
            name = (_written(self.path, body) or ("", ""))[1]
            fault = gate.fault(f"{self.command} {self.path} {name}", ("429", "503", "reset", "lost"))
            if fault in ("429", "503"):
                self._answer(int(fault), {}, b"{}")
            elif fault == "reset":
                self._hang_up()
            else:
                piece = f"{self.path} {self.headers.get('Content-Range')}"
                status, headers, data = gate.unheard.pop(piece, None) or self._forward(body)
                if fault == "lost":
                    if "upload_id" in self.path:
                        gate.unheard[piece] = status, headers, data
                    meanwhile, gate.after_loss = gate.after_loss, None
                    if meanwhile:
                        meanwhile()
                    self._hang_up()
                else:
                    cut = self.command == "GET" and gate.fault(f"GET {self.path}", ("cut",))
                    self._answer(status, headers, data, len(data) // 2 if cut else None)

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _pass_on

        def _forward(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
            query = parse_qs(urlsplit(self.path).query)
            wanted = query.get("ifGenerationMatch")
            name = _written(self.path, body) or _read(self.path)
            # One after another: between looking and writing nobody may write.
            with gate.writing:
                if wanted and name and int(wanted[0]) != _generation(gate, *name):
                    return 412, {}, b'{"error": {"code": 412, "message": "conditionNotMet"}}'
                status, headers, data = _ask(gate, self.command, self.path, dict(self.headers), body)
                if query.get("alt") == ["media"] and name and status < 300:
                    headers["X-Goog-Generation"] = str(_generation(gate, *name))
            return status, headers, data

        def _answer(
            self, status: int, headers: dict[str, str], data: bytes, cut_after: int | None = None
        ) -> None:
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[:cut_after])
            if cut_after is not None:
                self._hang_up()

        def _hang_up(self) -> None:
            self.close_connection = True
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


def _ask(
    gate: Gate, method: str, path: str, headers: dict[str, str], body: bytes
) -> tuple[int, dict[str, str], bytes]:
    connection = HTTPConnection("127.0.0.1", gate.emulator, timeout=30)
    own, other = f"127.0.0.1:{gate.port}", f"127.0.0.1:{gate.emulator}"
    kept = {
        key: value
        for key, value in headers.items()
        if key.lower() not in ("host", "connection", "accept-encoding")
    }
    connection.request(method, path, body, kept | {"Connection": "close"})
    answer: HTTPResponse = connection.getresponse()
    data = answer.read()
    found = {
        key: value.replace(other, own)
        for key, value in answer.getheaders()
        if key.lower() not in ("content-length", "connection", "transfer-encoding", "date", "server")
    }
    if "json" in (answer.getheader("Content-Type") or ""):
        data = data.replace(other.encode(), own.encode())
    connection.close()
    return answer.status, found, data


def _generation(gate: Gate, bucket: str, name: str) -> int:
    """Of an object as it is; 0 where there is none."""
    status, _, data = _ask(gate, "GET", f"/storage/v1/b/{bucket}/o/{quote(name, safe='')}", {}, b"")
    return int(json.loads(data)["generation"]) if status < 300 else 0


def _written(path: str, body: bytes) -> tuple[str, str] | None:
    """Bucket and object of an upload's first request."""
    parts = urlsplit(path)
    found = re.match(r"/upload/storage/v1/b/([^/]+)/o$", parts.path)
    if not found or "upload_id" in parts.query:
        return None
    named = parse_qs(parts.query).get("name") or re.findall(
        r'"name":\s*"((?:[^"\\]|\\.)*)"', body.decode("latin-1")
    )
    return (found.group(1), named[0]) if named else None


def _read(path: str) -> tuple[str, str] | None:
    """Bucket and object of any other request."""
    found = re.match(r"(?:/download)?/storage/v1/b/([^/]+)/o/([^?]+)", path)
    return (found.group(1), unquote(found.group(2))) if found else None
