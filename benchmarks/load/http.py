"""HTTP of the load generator: requests made in advance, answers barely parsed."""

import json
from collections.abc import Sequence
from urllib.parse import urlsplit

from benchmarks.load.results import Load


def requests_for(load: Load, titles: Sequence[str]) -> list[bytes]:
    """Whole HTTP requests over the titles in their order."""
    if load.classify:
        path, bodies = "/classify", [{"model": "champion", "input": [title]} for title in titles]
    elif load.rows == 1:
        path, bodies = "/predict", [{"title": title} for title in titles]
    else:
        starts = range(0, len(titles) - load.rows + 1, load.rows)
        path = "/predict_batch"
        bodies = [{"articles": [{"title": title} for title in titles[at : at + load.rows]]} for at in starts]
    if not bodies:
        raise ValueError(f"{len(titles)} titles are too few for requests of {load.rows}.")
    host = urlsplit(load.url).netloc
    requests = []
    for body in bodies:
        content = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        requests.append(head.encode() + content)
    return requests


def read_answer(data: bytes) -> tuple[int, bytes, bool] | None:
    """Parse an answer.

    Returns:
        Status, body, and whether the connection stays open; None while the answer is not whole.

    Raises:
        ValueError: this is no HTTP/1.1 answer with a length or in chunks.
    """
    begin = data.find(b"\r\n\r\n")
    if begin < 0:
        return None
    head, begin = data[:begin].lower(), begin + 4
    if not head.startswith(b"http/1.1 "):
        raise ValueError("not HTTP/1.1")
    status, stays = int(head[9:12]), b"\r\nconnection: close" not in head
    at = head.find(b"\r\ncontent-length:")
    if at >= 0:
        end = begin + int(head[at + 17 :].split(b"\r\n", 1)[0])
        return (status, data[begin:end], stays) if len(data) >= end else None
    if b"\r\ntransfer-encoding: chunked" not in head:
        raise ValueError("neither a length nor chunks")
    body = _join_chunks(data, begin)
    return None if body is None else (status, body, stays)


def _join_chunks(data: bytes, at: int) -> bytes | None:
    body = b""
    while (line := data.find(b"\r\n", at)) >= 0:
        size = int(data[at:line].split(b";")[0], 16)
        at = line + 2 + size + 2
        if len(data) < at:
            return None
        if not size:
            return body
        body += data[line + 2 : at - 2]
    return None
