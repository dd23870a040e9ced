"""A reverse proxy for tests."""

import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


@contextmanager
def reverse_proxy(target: str, prefix: str, *, strip: bool, client: str = "203.0.113.9") -> Iterator[str]:
    """Forward everything below a path prefix to a server.

    Args:
        target: address of the server.
        prefix: such as /news.
        strip: whether the server sees the paths without it.
        client: the address that the proxy names as its client's.

    Yields:
        The address with the prefix, without a slash at the end.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with httpx.AsyncClient(base_url=target, timeout=60) as app.state.client:
            yield

    async def forward(request: Request) -> Response:
        path = request.url.path.removeprefix(prefix) if strip else request.url.path
        kept = {
            name: value for name, value in request.headers.items() if name not in ("host", "content-length")
        }
        forwarded = {
            "X-Forwarded-For": client,
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Host": "outside.example",
            "X-Forwarded-Prefix": prefix,
            "Host": "inside.example",
        }
        answer = await request.app.state.client.request(
            request.method,
            path or "/",
            params=request.url.query,
            headers=kept | forwarded,
            content=await request.body(),
        )
        dropped = ("content-encoding", "content-length", "transfer-encoding", "connection")
        headers = {name: value for name, value in answer.headers.items() if name not in dropped}
        return Response(answer.content, answer.status_code, headers)

    app = Starlette(
        routes=[Route(f"{prefix}{{path:path}}", forward, methods=["GET", "POST"])], lifespan=lifespan
    )
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", http="h11"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            thread.join(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}{prefix}"
    finally:
        server.should_exit = True
        thread.join()
