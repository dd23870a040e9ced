"""The HTTP API and its page as an ASGI application."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Final

from fastapi import Depends, FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import FileResponse, Response
from fastapi.security import APIKeyHeader, HTTPBearer
from fastapi.staticfiles import StaticFiles
from prometheus_client import CONTENT_TYPE_LATEST

from bentos.fakenews.corpus.routes import add_corpus
from bentos.fakenews.http.compression import Compression
from bentos.fakenews.http.middleware import Middleware
from bentos.fakenews.http.problems import PROBLEMS, add_errors
from bentos.fakenews.http.tracing import Tracing
from bentos.fakenews.metrics import Exposition
from bentos.fakenews.model.runtime import Runtime
from bentos.fakenews.routes import kserve
from bentos.fakenews.routes.answers import add_answers
from bentos.fakenews.routes.feedback import add_feedback
from bentos.fakenews.routes.model import add_model
from bentos.fakenews.routes.predictions import add_predictions
from bentos.fakenews.settings import ServiceSettings
from bentos.fakenews.uploads.routes import add_uploads
from fakenews_assets.common.html import PALETTE

PAGE: Final = Path(__file__).parent / "page"


def create_app(settings: ServiceSettings) -> FastAPI:
    """Create the application. It loads the model when the server starts."""

    tracing = Tracing() if settings.tracing else None

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.runtime = Runtime(settings)
        await app.state.runtime.start()
        yield
        await app.state.runtime.stop()
        if tracing:
            await asyncio.to_thread(tracing.close)

    app = FastAPI(
        title="fakenews",
        description="Predicts how likely a news article is fake, and abstains when it is unsure.",
        version="1",
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        responses=PROBLEMS,
        servers=[
            {"url": "./", "description": "The service that gave this description, also behind a prefix."}
        ],
        generate_unique_id_function=lambda route: route.name,
        # Checked by the middleware, before anything is read; here for those who read the description.
        dependencies=[
            Depends(APIKeyHeader(name="X-API-Key", auto_error=False)),
            Depends(HTTPBearer(auto_error=False)),
        ]
        if settings.api_key or settings.api_keys_file
        else None,
    )
    app.add_middleware(Compression)
    app.add_middleware(Middleware, settings=settings, tracing=tracing)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Content-Type", "X-API-Key", "Authorization", "X-Request-ID", "traceparent"],
            expose_headers=["X-Request-ID", "traceparent", "X-Rows", "X-Read-As", "Retry-After"],
        )
    add_errors(app)
    add_predictions(app)
    add_uploads(app)
    add_answers(app)
    add_feedback(app)
    add_model(app)
    add_corpus(app, settings)
    app.include_router(kserve.router)
    _add_page(app)
    return app


def _add_page(app: FastAPI) -> None:
    exposition = Exposition()

    @cache  # FastAPI's own route would write it anew for everybody who asks
    def description() -> str:
        return json.dumps(app.openapi())

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        return Response(description(), media_type="application/json")

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(await exposition.latest(), media_type=CONTENT_TYPE_LATEST)

    @app.get("/", include_in_schema=False)
    async def index() -> FileResponse:
        return FileResponse(PAGE / "index.html")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> FileResponse:
        return FileResponse(PAGE / "docs.html")

    @app.get("/page/palette.css", include_in_schema=False)
    async def palette() -> FileResponse:
        return FileResponse(PALETTE)

    app.mount("/page", StaticFiles(directory=PAGE), name="page")
