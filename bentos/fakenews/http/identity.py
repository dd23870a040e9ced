"""Ids that a client sends with a request: its own request id and its trace."""

import re
from collections.abc import Mapping
from typing import Final

_ID: Final = re.compile(rb"[A-Za-z0-9._~:/+=@-]{1,128}")
_TRACEPARENT: Final = re.compile(
    rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?"
)
"""W3C Trace Context. A later version than 00 may go on after a dash."""


def client_request_id(headers: Mapping[bytes, bytes]) -> str | None:
    """The id that the client gave its request in `X-Request-ID`; None if there is none, or none to write into a log."""
    sent = headers.get(b"x-request-id", b"")
    return sent.decode() if _ID.fullmatch(sent) else None


def traceparent(headers: Mapping[bytes, bytes]) -> tuple[bytes, str] | None:
    """A valid `traceparent`, and the trace's id in it."""
    sent = headers.get(b"traceparent", b"")
    found = _TRACEPARENT.fullmatch(sent)
    if found is None or (sent.startswith(b"00") and found[2]):
        return None
    return sent, found[1].decode()
