"""Middleware in front of the routes: the path prefix, redirects, errors, and the schema that BentoML's client reads."""

from posixpath import basename
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.responses import JSONResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from bentos.fakenews.http.problems import problem_of_bentoml
from bentos.fakenews.schemas import ArticleIn, BatchIn, BatchOut, ExplanationOut, PredictionOut
from fakenews_resources.request_ids import new_request_id

_OPERATIONS: Final = (
    ("predict", ArticleIn, PredictionOut),
    ("predict_batch", BatchIn, BatchOut),
    ("explain", ArticleIn, ExplanationOut),
)

_HIDDEN: Final = ("/docs.json",)
"""BentoML's own pages beside those of this service. It describes its operations anew for everybody who asks, for 60 ms."""


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
        if scope["type"] == "websocket":
            refusal = problem_of_bentoml(scope, 404, {})
            await WebSocket(scope, receive, send).send_denial_response(refusal)
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if self._prefix and scope["path"] == self._prefix:
            # Relative links would lead beside the prefix.
            query = scope["query_string"].decode("latin-1")
            target = f"{basename(self._prefix)}/" + (f"?{query}" if query else "")
            await RedirectResponse(target)(scope, receive, send)
            return
        if self._prefix and scope["path"].startswith(f"{self._prefix}/"):
            path = scope["path"].removeprefix(self._prefix)
            # The latter is where Starlette takes the prefix of an address from.
            scope = {**scope, "path": path, "app_root_path": self._prefix}
        path = scope["path"]
        if path == "/schema.json":
            # BentoML knows only operations of its own, which would run beside the queue and the limits of this service.
            await JSONResponse(self._schema)(scope, receive, send)
            return
        if path in _HIDDEN:
            await problem_of_bentoml(scope, 404, {})(scope, receive, send)
            return

        state = scope.setdefault("state", {})
        replaced = False

        async def answer(message: Message) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start":
                status, headers = message["status"], message["headers"]
                if status == 307:
                    headers = [
                        (name, _relative(path, value) if name == b"location" else value)
                        for name, value in headers
                    ]
                    if "request_id" not in state:
                        headers.append((b"x-request-id", new_request_id().encode()))
                    message = {**message, "headers": headers}
                elif status >= 400 and "request_id" not in state:  # by which the API knows its requests
                    replaced = True
                    await problem_of_bentoml(scope, status, dict(headers))(scope, receive, send)
            if not replaced:
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
