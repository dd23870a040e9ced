"""Compresses large answers. A file's answer is still sent in pieces."""

from typing import Final

from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send
from typing_extensions import override

_MINIMUM_BYTES: Final = 2048
_LEVEL: Final = 4
"""Of 9, where time and size are in proportion."""
_IN_A_THREAD: Final = 2**16
"""Bytes that would hold up other requests."""


class Compression(GZipMiddleware):
    """gzip for clients that take it."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(app, _MINIMUM_BYTES, _LEVEL, _IN_A_THREAD)

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # A single verdict is small, and looking costs more than there is to win.
        call = self.app if scope.get("path") == "/predict" else super().__call__
        await call(scope, receive, send)
