"""`fakenews monitor`: the monitoring page, the drift reports behind it, and what Prometheus asks of the graph."""

import re
import tempfile
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

import dagster as dg
import typer
import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from rich.console import Console
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from fakenews_assets.cli.exporter import GraphCollector
from fakenews_assets.cli.running import use_project_home
from fakenews_assets.cli.steps import shown_step
from fakenews_assets.monitoring.drift.verdict import DRIFT_PAGES
from fakenews_assets.monitoring.page.page import PAGE_FILE
from fakenews_resources.storage.io_manager import SHOWN_FILES, storage_from_environment
from fakenews_resources.storage.store import Store, StoreError, ValueMissing

_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")


def monitor_app(store: Store, gauges: CollectorRegistry) -> Starlette:
    """An application that shows what the store holds: `/` and `/reports/<day>/<page>.html` as they are now, the plots and
    pages of any version at `/stored/<key>/<version>/<file>`, and the gauges at `/metrics`."""

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
        ]
    )


def serve_monitor(host: str, port: int) -> None:
    """Serve the application until an interrupt."""
    use_project_home()
    storage = storage_from_environment()
    gauges = CollectorRegistry()
    with dg.DagsterInstance.get() as instance:
        gauges.register(GraphCollector(storage, instance))
        _serve(monitor_app(storage.store, gauges), host, port)


def serve_example(host: str, port: int) -> None:
    """Serve generated days, out of a temporary store, until an interrupt."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        with shown_step(Console(), "generating example days"):
            from fakenews_assets.monitoring.example_days import write_example_days

            write_example_days(store, datetime.now(UTC).date())
        _serve(monitor_app(store, CollectorRegistry()), host, port)


def _serve(app: Starlette, host: str, port: int) -> None:
    typer.echo(f"Monitoring: http://{host}:{port}   (Ctrl+C ends it)")
    uvicorn.run(app, host=host, port=port, log_level="warning")
