"""`fakenews monitor`: the monitoring page, the drift reports behind it, and the metrics of the graph for Prometheus."""

import re
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

import dagster as dg
import typer
import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from rich.console import Console
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fakenews_assets.cli.monitoring.exporter import GraphCollector
from fakenews_assets.cli.running import use_project_home
from fakenews_assets.cli.steps import shown_step
from fakenews_assets.monitoring.drift.verdict import DRIFT_PAGES
from fakenews_assets.monitoring.page.page import PAGE_FILE
from fakenews_resources.storage.io_manager import SHOWN_FILES, storage_from_environment
from fakenews_resources.storage.store import Store, StoreError, ValueMissing

_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Evidently's pages make themselves by scripts that stand in them. Their origin is none, and they can ask nobody.
    "Content-Security-Policy": "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline';"
    " img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
    " sandbox allow-scripts allow-downloads allow-popups",
}
_LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")


def monitor_app(store: Store, gauges: CollectorRegistry, hosts: Sequence[str] = ("*",)) -> Starlette:
    """An application that shows what the store holds: `/` and `/reports/<day>/<page>.html` as they are now, the plots and
    pages of any version at `/stored/<key>/<version>/<file>`, and the gauges at `/metrics`.

    Args:
        store: of the graph.
        gauges: of the graph.
        hosts: names by which it may be asked, of the Host header; `*`: any.
    """

    def index(_: Request) -> Response:
        try:
            return FileResponse(store.current("monitoring_page").path / PAGE_FILE)
        except ValueMissing:
            return PlainTextResponse(
                "There is no monitoring page yet. Run `fakenews report`, or see generated days: `fakenews monitor --demo`.",
                404,
            )

    def report(request: Request) -> Response:
        day, page = request.path_params["day"], request.path_params["page"]
        if _DAY.fullmatch(day) and page in DRIFT_PAGES:
            try:
                found = store.current(f"drift_report/{day}").path / f"{page}.html"
            except ValueMissing:
                return PlainTextResponse(
                    f"There is no drift report for {day}. Run `fakenews report {day}`.", 404
                )
            if found.is_file():
                return FileResponse(found)
        return PlainTextResponse("There is no such page.", 404)

    def stored(request: Request) -> Response:
        key, version, file = (request.path_params[name] for name in ("key", "version", "file"))
        with suppress(StoreError):
            found = store.get(key, version)
            if found.record and file in found.record.files and file.endswith(SHOWN_FILES):
                return FileResponse(found.path / file)
        return PlainTextResponse("There is no such file.", 404)

    def metrics(_: Request) -> Response:
        return Response(generate_latest(gauges), media_type=CONTENT_TYPE_LATEST)

    def icon(_: Request) -> Response:
        return Response(status_code=204)  # browsers ask; the pages have none

    return Starlette(
        routes=[
            Route("/", index),
            Route("/reports/{day}/{page}.html", report),
            Route("/stored/{key:path}/{version}/{file}", stored),
            Route("/metrics", metrics),
            Route("/favicon.ico", icon),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=hosts), Middleware(_SecurityHeaders)],
    )


class _SecurityHeaders:
    """ASGI middleware that adds `_HEADERS` to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        await self._app(scope, receive, answer)


def hosts_of(address: str) -> Sequence[str]:
    """Names by which an application that listens on an address may be asked.

    On this machine alone any page in its browser could else ask it under a name of its own (DNS rebinding).
    """
    return _LOOPBACK if address in ("127.0.0.1", "localhost", "::1") else ("*",)


def serve_monitor(host: str, port: int) -> None:
    """Serve the application until an interrupt."""
    use_project_home()
    storage = storage_from_environment()
    gauges = CollectorRegistry()
    with dg.DagsterInstance.get() as instance:
        gauges.register(GraphCollector(storage, instance))
        _serve(monitor_app(storage.store, gauges, hosts_of(host)), host, port)


def serve_example(host: str, port: int) -> None:
    """Serve generated days, out of a temporary store, until an interrupt."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        with shown_step(Console(), "generating example days"):
            from fakenews_assets.monitoring.example_days import write_example_days

            write_example_days(store, datetime.now(UTC).date())
        _serve(monitor_app(store, CollectorRegistry(), hosts_of(host)), host, port)


def _serve(app: Starlette, host: str, port: int) -> None:
    typer.echo(f"Monitoring: http://{host}:{port}   (Ctrl+C ends it)")
    uvicorn.run(app, host=host, port=port, log_level="warning")
