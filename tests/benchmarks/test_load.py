"""The load generator against servers that misbehave on purpose."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from benchmarks.load.generator import generate
from benchmarks.load.http import read_answer, requests_for
from benchmarks.load.process import measure
from benchmarks.load.results import Load, Result

TITLES = ["Senate passes budget bill", "You won't believe “this”", "Court opens talks"]

Answer = Callable[[int, bytes], Awaitable[bytes | None]]
"""From number and body of a request to what is sent back; None: half an answer, then the connection is closed."""


def whole(status: int, body: bytes = b"{}") -> bytes:
    return b"HTTP/1.1 %d Some Reason\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


@asynccontextmanager
async def server(answer: Answer) -> AsyncIterator[str]:
    """A server that numbers the requests; yields its address."""
    count = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
                body = await reader.readexactly(length)
                count += 1
                found = await answer(count - 1, body)
                writer.write(found or whole(200, b'{"cut":"short"}')[:-5])
                if found is None:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        listening.close()


def run(answer: Answer, **load: float | bool | None) -> Result:
    async def both() -> Result:
        async with server(answer) as url:
            return await generate(Load(url, **load), TITLES)  # pyright: ignore[reportArgumentType]

    return asyncio.run(both())


async def fine(number: int, body: bytes) -> bytes:  # noqa: ARG001
    return whole(200, b'{"request_id":"id-%d","label":0}' % number)


@pytest.mark.parametrize(
    "data",
    [
        b'HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{"label":0}',
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{"la\r\n7;x=y\r\nbel":0}\r\n0\r\n\r\n',
    ],
)
def test_an_answer_is_read_once_it_is_whole(data: bytes) -> None:
    assert [read_answer(data[:end]) for end in range(len(data))] == [None] * len(data)
    assert read_answer(data) == (200, b'{"label":0}', True)


def test_an_answer_can_close_its_connection() -> None:
    head = b"HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    assert read_answer(head) == (503, b"", False)


@pytest.mark.parametrize("data", [b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\nuntil I close"])
def test_other_answers_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"HTTP/1\.1|length"):
        read_answer(data)


def test_requests_hold_one_title_or_a_batch() -> None:
    single = requests_for(Load("http://localhost:1"), TITLES)
    batch = requests_for(Load("http://localhost:1", rows=2), TITLES)
    assert [json.loads(one.split(b"\r\n\r\n")[1])["title"] for one in single] == TITLES
    assert [one.split(b" ")[1] for one in (*single[:1], *batch)] == [b"/predict", b"/predict_batch"]
    assert json.loads(batch[0].split(b"\r\n\r\n")[1]) == {"articles": [{"title": one} for one in TITLES[:2]]}
    classify = requests_for(Load("http://localhost:1", classify=True), TITLES)
    assert [json.loads(one.split(b"\r\n\r\n")[1])["input"] for one in classify] == [[one] for one in TITLES]
    with pytest.raises(ValueError, match="too few"):
        requests_for(Load("http://localhost:1", rows=4), TITLES)


def test_closed_loop_keeps_every_client_busy_with_one_request() -> None:
    at_once = most = 0

    async def answer(number: int, body: bytes) -> bytes:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.01)
        at_once -= 1
        return await fine(number, body)

    found = run(answer, clients=4, seconds=0.6, warm_up=0.1, ids=True)
    assert most == 4
    assert set(found.statuses) == {200}
    assert found.statuses[200] == found.requests == round(found.rps * 0.6)
    assert found.errors == found.given_up == 0
    assert found.ok.p50 >= 9  # milliseconds
    assert found.requests < len(found.request_ids)  # those of the warm-up are named too
    assert len(set(found.request_ids)) == len(found.request_ids)


def test_every_status_is_counted() -> None:
    async def answer(number: int, body: bytes) -> bytes:
        return whole(503) if number % 3 == 0 else await fine(number, body)

    found = run(answer, clients=2, rate=150, seconds=0.6)
    assert found.statuses == {200: 60, 503: 30}
    assert found.rps == pytest.approx(100)
    assert set(found.latency) == {200, 503}
    assert sum(second.statuses[503] for second in found.timeline) == 30


def test_open_loop_keeps_its_rate_and_counts_the_wait_of_what_was_due() -> None:
    async def answer(number: int, body: bytes) -> bytes:
        if number == 40:
            await asyncio.sleep(0.5)
        return await fine(number, body)

    found = run(answer, clients=1, rate=100, seconds=1.5)
    assert found.statuses == {200: 150}
    assert found.sent_rps == pytest.approx(100)
    # One request alone was slow, but those that fell due meanwhile waited for it.
    assert found.ok.max >= 490
    assert found.ok.p99 >= 450
    assert found.ok.p90 >= 200
    assert found.lag is not None


def test_what_finds_no_connection_in_time_is_given_up() -> None:
    async def answer(number: int, body: bytes) -> bytes:
        await asyncio.sleep(0.4 if number == 0 else 0)
        return await fine(number, body)

    found = run(answer, clients=1, rate=100, seconds=0.8, patience=0.1)
    assert found.given_up >= 20
    assert found.requests + found.given_up == 80
    assert found.sent_rps == pytest.approx(found.requests / 0.8)


def test_a_connection_closed_in_mid_answer_is_an_error_and_another_is_opened() -> None:
    async def answer(number: int, body: bytes) -> bytes | None:
        return None if number % 5 == 0 else await fine(number, body)

    found = run(answer, clients=2, rate=100, seconds=0.5)
    assert (found.errors, found.statuses) == (10, {200: 40})
    closed_loop = run(answer, clients=2, seconds=0.5)
    assert closed_loop.errors > 0
    assert closed_loop.statuses[200] > closed_loop.errors


def test_no_server_is_an_error_for_every_request() -> None:
    found = asyncio.run(generate(Load("http://127.0.0.1:1", rate=100, seconds=0.2, clients=4), TITLES))
    assert (found.errors, found.requests) == (20, 0)


def test_it_runs_in_a_process_of_its_own(tmp_path: Path) -> None:
    titles = tmp_path / "titles.json"
    titles.write_text(json.dumps(TITLES))

    async def both() -> Result:
        async with server(fine) as url:
            return await asyncio.to_thread(measure, Load(url, 2, 0.5, rate=40, ids=True), titles)

    found = asyncio.run(both())
    assert found.statuses == {200: 20}
    assert len(found.request_ids) == 20
    assert 0 < found.cpu_share < 1
