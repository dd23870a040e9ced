"""`fakenews monitor`: the monitoring page and the drift reports behind it, on this machine only."""

import re
from contextlib import suppress
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from fakenews_assets.monitoring.drift.verdict import DRIFT_PAGES
from fakenews_assets.monitoring.page.page import PAGE_FILE
from fakenews_resources.storage.io_manager import SHOWN_FILES
from fakenews_resources.storage.store import Store, StoreError, ValueMissing

_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")


def monitor_app(store: Store) -> Starlette:
    """An application that shows what the store holds: `/` and `/reports/<day>/<page>.html` as they are now, and the
    plots and pages of any version at `/stored/<key>/<version>/<file>`."""

    def index(_: Request) -> Response:
        try:
            return FileResponse(store.current("monitoring_page").path / PAGE_FILE)
        except ValueMissing:
            return PlainTextResponse("There is no monitoring page yet. Run `fakenews report`.", 404)

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

    def icon(_: Request) -> Response:
        return Response(status_code=204)  # browsers ask; the pages have none

    return Starlette(
        routes=[
            Route("/", index),
            Route("/reports/{day}/{page}.html", report),
            Route("/stored/{key:path}/{version}/{file}", stored),
            Route("/favicon.ico", icon),
        ]
    )
