"""What requests pass before BentoML's own routes: the path prefix, redirects, and the schema that its client reads."""

from posixpath import basename
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bentos.fakenews.schemas import ArticleIn, BatchIn, BatchOut, ExplanationOut, PredictionOut

_OPERATIONS: Final = (
    ("predict", ArticleIn, PredictionOut),
    ("predict_batch", BatchIn, BatchOut),
    ("explain", ArticleIn, ExplanationOut),
)


class Edge:
    """ASGI middleware around BentoML's application.

    Args:
        app: the application.
        prefix: of the path, under which a proxy passes requests on; "": none. Requests without it are answered too, such
            as a probe's.
    """

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self.app = app
        self._prefix = prefix
        self._schema = {
            "name": "fakenews",
            "type": "service",
            "routes": [_route(*one) for one in _OPERATIONS],
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if self._prefix and (scope["path"] + "/").startswith(f"{self._prefix}/"):
            path = scope["path"].removeprefix(self._prefix) or "/"
            # The latter is where Starlette takes the prefix of an address from.
            scope = {**scope, "path": path, "app_root_path": self._prefix}
        path = scope["path"]
        if path == "/schema.json":
            # BentoML knows only operations of its own, which would run beside the queue and the limits of this service.
            await JSONResponse(self._schema)(scope, receive, send)
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 307:
                headers = [
                    (name, _relative(path, value) if name == b"location" else value)
                    for name, value in message["headers"]
                ]
                message = {**message, "headers": headers}
            await send(message)

        await self.app(scope, receive, answer)


def _relative(path: str, location: bytes) -> bytes:
    """The target of a redirect that adds or removes a last slash: without the host, which is whatever the client sent."""
    parts = urlsplit(location.decode("latin-1"))
    target = f"../{basename(parts.path)}" if path.endswith("/") else f"{basename(path)}/"
    return (target + (f"?{parts.query}" if parts.query else "")).encode("latin-1")


def _route(name: str, asked: type[Any], answered: type[Any]) -> dict[str, Any]:
    return {
        "name": name,
        "route": f"/{name}",
        "doc": asked.__doc__,
        "input": asked.model_json_schema(),
        "output": answered.model_json_schema(),
    }
