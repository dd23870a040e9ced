"""Downloads against a real server that misbehaves as it is told to."""

import hashlib
import itertools
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from fakenews_resources.news.base import ChecksumMismatch, NoAnswer, NotFound, Refused, Unreachable
from fakenews_resources.news.download import Checksum, DownloadPolicy, download
from fakenews_resources.news.welfake import receive_welfake
from tests.support.answering import answering

BODY = bytes(range(256)) * 4096
HALF = len(BODY) // 2
OTHER = BODY[::-1]
SHA256 = Checksum("sha256", hashlib.sha256(BODY).hexdigest())
QUICK = DownloadPolicy(attempts=4, connect_timeout_s=5, read_timeout_s=5, first_wait_s=0, longest_wait_s=60)

Answer = Callable[["Handler"], None]


@dataclass
class Script:
    """What the server does at each request, and what it was asked."""

    answers: list[Answer] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    ranges: list[str | None] = field(default_factory=list)
    conditions: list[str | None] = field(default_factory=list)
    body_bytes_sent: int = 0
    released: threading.Event = field(default_factory=threading.Event)
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    script: Script

    def do_GET(self) -> None:
        script = self.script
        script.paths.append(self.path)
        script.ranges.append(self.headers["Range"])
        script.conditions.append(self.headers["If-Range"])
        script.answers[len(script.paths) - 1](self)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test output quiet."""

    def head(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def body(self, content: bytes) -> None:
        # Counted first: the client may be done before this thread goes on.
        self.script.body_bytes_sent += len(content)
        self.wfile.write(content)


@pytest.fixture
def script() -> Iterator[Script]:
    script = Script()
    with answering(type("ScriptedHandler", (Handler,), {"script": script})) as script.url:
        yield script
        script.released.set()


def whole(content: bytes = BODY, **headers: str) -> Answer:
    """Send everything, whatever part was asked for."""

    def answer(handler: Handler) -> None:
        handler.head(200, Content_Length=str(len(content)), **headers)
        handler.body(content)

    return answer


def cut(**headers: str) -> Answer:
    """Announce everything, send half of it, break the connection."""

    def answer(handler: Handler) -> None:
        handler.head(200, Content_Length=str(len(BODY)), **headers)
        handler.body(BODY[:HALF])
        handler.wfile.flush()
        handler.connection.shutdown(socket.SHUT_WR)

    return answer


def rest(content: bytes = BODY, upto: int | None = None, **headers: str) -> Answer:
    """Send the part that was asked for, or less of it."""

    def answer(handler: Handler) -> None:
        begin = int(handler.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        part = content[begin:upto]
        span = f"bytes {begin}-{begin + len(part) - 1}/{len(content)}"
        handler.head(206, Content_Length=str(len(part)), Content_Range=span, **headers)
        handler.body(part)

    return answer


def status(code: int, **headers: str) -> Answer:
    return lambda handler: handler.head(code, Content_Length="0", **headers)


def hang(after: int = 0, **headers: str) -> Answer:
    def answer(handler: Handler) -> None:
        handler.head(200, Content_Length=str(len(BODY)), **headers)
        handler.body(BODY[:after])
        handler.wfile.flush()
        handler.script.released.wait(30)

    return answer


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_delivers_and_describes(script: Script, tmp_path: Path) -> None:
    script.answers = [whole()]
    seen: list[tuple[int, int | None]] = []
    url = f"{script.url}/news/latest.csv.gz?download=1"
    news = download(url, tmp_path / "new" / "folder", policy=QUICK, progress=lambda *step: seen.append(step))
    assert news.path == tmp_path / "new" / "folder" / "latest.csv.gz"
    assert news.path.read_bytes() == BODY
    assert (news.uri, news.sha256, news.size_bytes, news.suffix) == (
        url,
        SHA256.hex_digest,
        len(BODY),
        ".csv.gz",
    )
    assert names(news.path.parent) == ["latest.csv.gz"]
    assert seen[-1] == (len(BODY), len(BODY))
    assert seen == sorted(seen)


def test_credentials_stay_out_of_the_record(script: Script, tmp_path: Path) -> None:
    script.answers = [cut(ETag='"v1"'), rest(ETag='"v1"'), status(404)]
    url = script.url.replace("//", "//reader:secret@") + "/news.csv"
    assert download(url, tmp_path, policy=QUICK).uri == f"{script.url}/news.csv"
    with pytest.raises(NotFound) as caught:
        download(url, tmp_path, policy=QUICK)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("etag", "condition"),
    [('"v1"', '"v1"'), ('W/"v1"', "Wed, 01 Jan 2020 00:00:00 GMT")],
)
def test_a_cut_connection_is_resumed_not_repeated(
    script: Script, tmp_path: Path, etag: str, condition: str
) -> None:
    modified = "Wed, 01 Jan 2020 00:00:00 GMT"
    script.answers = [
        cut(ETag=etag, Last_Modified=modified),
        rest(upto=HALF + 1000, ETag=etag, Last_Modified=modified),
        rest(ETag=etag, Last_Modified=modified),
    ]
    news = download(f"{script.url}/news.csv", tmp_path, checksum=SHA256, policy=QUICK)
    assert news.path.read_bytes() == BODY
    assert script.ranges == [None, f"bytes={HALF}-", f"bytes={HALF + 1000}-"]
    assert script.conditions == [None, condition, condition]
    assert script.body_bytes_sent == len(BODY)


def test_a_later_call_resumes_what_an_earlier_one_kept(script: Script, tmp_path: Path) -> None:
    script.answers = [cut(ETag='"v1"'), rest(ETag='"v1"')]
    once = QUICK.model_copy(update={"attempts": 1})
    with pytest.raises(Unreachable, match=rf"{HALF} bytes are kept; run again to resume"):
        download(f"{script.url}/news.csv", tmp_path, policy=once)
    assert names(tmp_path) == ["news.csv.partial", "news.csv.partial.json"]
    assert download(f"{script.url}/news.csv", tmp_path, policy=once).path.read_bytes() == BODY
    assert script.body_bytes_sent == len(BODY)
    assert names(tmp_path) == ["news.csv"]


def test_a_download_killed_before_its_delivery_is_delivered(script: Script, tmp_path: Path) -> None:
    script.answers = [
        cut(ETag='"v1"'),
        status(503),
        status(416, Content_Range=f"bytes */{len(BODY)}"),
    ]
    with pytest.raises(Unreachable):
        download(f"{script.url}/news.csv", tmp_path, policy=QUICK.model_copy(update={"attempts": 2}))
    (tmp_path / "news.csv.partial").write_bytes(BODY)
    news = download(f"{script.url}/news.csv", tmp_path, checksum=SHA256, policy=QUICK)
    assert news.path.read_bytes() == BODY
    assert script.ranges[-1] == f"bytes={len(BODY)}-"


def test_a_partial_file_of_another_address_is_not_resumed(script: Script, tmp_path: Path) -> None:
    script.answers = [cut(ETag='"v1"'), whole(OTHER, ETag='"v1"')]
    with pytest.raises(Unreachable):
        download(f"{script.url}/a/news.csv", tmp_path, policy=QUICK.model_copy(update={"attempts": 1}))
    assert download(f"{script.url}/b/news.csv", tmp_path, policy=QUICK).path.read_bytes() == OTHER
    assert script.ranges == [None, None]


def test_a_note_cut_by_a_kill_starts_afresh(script: Script, tmp_path: Path) -> None:
    script.answers = [whole()]
    (tmp_path / "news.csv.partial").write_bytes(OTHER[:100])
    (tmp_path / "news.csv.partial.json").write_text('{"url": ')
    assert download(f"{script.url}/news.csv", tmp_path, policy=QUICK).path.read_bytes() == BODY
    assert script.ranges == [None]


@pytest.mark.parametrize(
    "second",
    [
        pytest.param([whole(OTHER, ETag='"v2"')], id="the server sees that it changed"),
        pytest.param([rest(OTHER, ETag='"v2"'), whole(OTHER, ETag='"v2"')], id="the server ignores If-Range"),
        pytest.param([status(416, Content_Range="bytes */7"), whole(OTHER)], id="the file is shorter now"),
    ],
)
def test_a_changed_file_is_fetched_afresh(script: Script, tmp_path: Path, second: list[Answer]) -> None:
    script.answers = [cut(ETag='"v1"'), *second]
    assert download(f"{script.url}/news.csv", tmp_path, policy=QUICK).path.read_bytes() == OTHER


def test_a_server_that_ignores_range(script: Script, tmp_path: Path) -> None:
    script.answers = [cut(ETag='"v1"'), whole(ETag='"v1"')]
    news = download(f"{script.url}/news.csv", tmp_path, checksum=SHA256, policy=QUICK)
    assert news.path.read_bytes() == BODY
    assert script.ranges == [None, f"bytes={HALF}-"]


def test_without_a_version_nothing_is_resumed(script: Script, tmp_path: Path) -> None:
    script.answers = [cut(), whole()]
    assert download(f"{script.url}/news.csv", tmp_path, policy=QUICK).path.read_bytes() == BODY
    assert script.ranges == [None, None]


def test_wrong_bytes_are_kept_aside_and_never_delivered(script: Script, tmp_path: Path) -> None:
    script.answers = [whole(OTHER, ETag='"v1"'), whole()]
    with pytest.raises(ChecksumMismatch) as caught:
        download(f"{script.url}/news.csv", tmp_path, checksum=SHA256, policy=QUICK)
    assert SHA256.hex_digest in str(caught.value)
    assert hashlib.sha256(OTHER).hexdigest() in str(caught.value)
    assert names(tmp_path) == ["news.csv.corrupt"]
    assert (tmp_path / "news.csv.corrupt").read_bytes() == OTHER
    assert len(script.paths) == 1, "a checksum is not retried: the bytes would be the same"
    assert (
        download(f"{script.url}/news.csv", tmp_path, checksum=SHA256, policy=QUICK).path.read_bytes() == BODY
    )
    assert script.ranges == [None, None]


def test_a_correct_file_is_not_fetched_again(script: Script, tmp_path: Path) -> None:
    script.answers = [whole(), whole()]
    url = f"{script.url}/news.csv"
    first = download(url, tmp_path, checksum=SHA256, policy=QUICK)
    assert download(url, tmp_path, checksum=SHA256, policy=QUICK) == first
    assert len(script.paths) == 1
    first.path.write_bytes(OTHER)
    assert download(url, tmp_path, checksum=SHA256, policy=QUICK) == first
    assert first.path.read_bytes() == BODY


def test_a_silent_server_times_out_and_is_resumed(script: Script, tmp_path: Path) -> None:
    script.answers = [hang(after=HALF, ETag='"v1"'), rest(ETag='"v1"')]
    policy = QUICK.model_copy(update={"read_timeout_s": 1})
    assert download(f"{script.url}/news.csv", tmp_path, policy=policy).path.read_bytes() == BODY
    assert script.ranges == [None, f"bytes={HALF}-"]


def test_a_server_that_stays_silent(script: Script, tmp_path: Path) -> None:
    script.answers = [hang(), hang()]
    policy = QUICK.model_copy(update={"read_timeout_s": 0.1, "attempts": 2})
    with pytest.raises(Unreachable, match="ReadTimeout"):
        download(f"{script.url}/news.csv", tmp_path, policy=policy)
    assert not (tmp_path / "news.csv").exists()


def test_no_server(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        with pytest.raises(Unreachable, match="ConnectError"):
            download(f"http://127.0.0.1:{taken.getsockname()[1]}/news.csv", tmp_path, policy=QUICK)


def ticking(step_s: float) -> Callable[[], float]:
    """A clock that goes on by so many seconds at each look."""
    return itertools.count(step=step_s).__next__


def test_attempts_without_a_further_byte_end_early_and_are_told(script: Script, tmp_path: Path) -> None:
    script.answers = [cut()] * 9
    told: list[str] = []
    policy = QUICK.model_copy(update={"attempts": 9, "patience_s": 60})
    with pytest.raises(
        NoAnswer, match=r"could not be fetched: .*Check the address and the network\. Then run again"
    ):
        download(f"{script.url}/news.csv", tmp_path, policy=policy, tell=told.append, clock=ticking(20))
    assert 2 < len(script.paths) < 6
    assert len(told) == len(script.paths) - 1
    assert all("tries again in 0 s" in one and "RemoteProtocolError" in one for one in told)


def test_further_bytes_and_busy_servers_are_waited_for(script: Script, tmp_path: Path) -> None:
    script.answers = [status(503), status(503), cut(ETag='"v1"'), status(503), rest(ETag='"v1"')]
    policy = QUICK.model_copy(update={"attempts": 9, "patience_s": 60})
    found = download(f"{script.url}/news.csv", tmp_path, policy=policy, clock=ticking(50))
    assert found.path.read_bytes() == BODY


@pytest.mark.parametrize("code", [429, 500, 503])
def test_passing_trouble_is_retried(script: Script, tmp_path: Path, code: int) -> None:
    script.answers = [status(code), status(code), whole()]
    assert download(f"{script.url}/news.csv", tmp_path, policy=QUICK).path.read_bytes() == BODY


def test_pauses_grow_with_jitter_and_stay_below_the_limit(script: Script, tmp_path: Path) -> None:
    script.answers = [status(503)] * 6
    policy = DownloadPolicy(attempts=6, first_wait_s=1, longest_wait_s=5)
    pauses: list[float] = []
    with pytest.raises(Unreachable, match="503 Service Unavailable"):
        download(f"{script.url}/news.csv", tmp_path, policy=policy, sleep=pauses.append)
    assert len(pauses) == 5
    for pause, least in zip(pauses, [1, 2, 4, 5, 5], strict=True):
        assert least <= pause <= min(least + 1, 5)


def test_retry_after_is_honoured_in_both_forms(script: Script, tmp_path: Path) -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=50), usegmt=True)
    script.answers = [status(503, Retry_After="17"), status(429, Retry_After=soon), whole()]
    pauses: list[float] = []
    download(f"{script.url}/news.csv", tmp_path, policy=QUICK, sleep=pauses.append)
    assert pauses[0] == 17
    assert 20 < pauses[1] <= 50


def test_a_server_that_asks_for_too_long_a_pause(script: Script, tmp_path: Path) -> None:
    script.answers = [status(503, Retry_After="3600")]
    with pytest.raises(Unreachable, match="asks to wait 3600 s"):
        download(f"{script.url}/news.csv", tmp_path, policy=QUICK)


@pytest.mark.parametrize(
    ("code", "error"), [(404, NotFound), (410, NotFound), (401, Refused), (403, Refused)]
)
def test_lasting_trouble_is_not_retried(
    script: Script, tmp_path: Path, code: int, error: type[Exception]
) -> None:
    script.answers = [status(code)]
    with pytest.raises(error, match=f"answered {code}"):
        download(f"{script.url}/news.csv", tmp_path, policy=QUICK)
    assert len(script.paths) == 1
    assert names(tmp_path) == []


def test_redirects_are_followed(script: Script, tmp_path: Path) -> None:
    script.answers = [status(302, Location=f"{script.url}/store/8f3a"), whole()]
    assert download(f"{script.url}/news.csv", tmp_path, policy=QUICK).path == tmp_path / "news.csv"
    assert script.paths == ["/news.csv", "/store/8f3a"]


def test_welfake_through_cut_connections(script: Script, tmp_path: Path) -> None:
    script.answers = [cut(ETag='"v1"'), rest(ETag='"v1"')]
    checksum = Checksum("md5", hashlib.md5(BODY, usedforsecurity=False).hexdigest())
    news = receive_welfake(tmp_path, base_url=script.url, checksum=checksum, policy=QUICK)
    assert news.path == tmp_path / "WELFake_Dataset.csv"
    assert script.paths == ["/records/4561253/files/WELFake_Dataset.csv?download=1"] * 2


def test_welfake_refuses_other_bytes(script: Script, tmp_path: Path) -> None:
    script.answers = [whole()]
    with pytest.raises(ChecksumMismatch, match="expected 73c9675a4b3d09f86a6933d0b8d7d908"):
        receive_welfake(tmp_path, base_url=script.url, policy=QUICK)
    assert names(tmp_path) == ["WELFake_Dataset.csv.corrupt"]
