"""The HTTP API and its page as an ASGI application."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import Depends, FastAPI, File, Request, UploadFile
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import FileResponse, Response, StreamingResponse
from fastapi.security import APIKeyHeader, HTTPBearer
from fastapi.staticfiles import StaticFiles
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from bentos.fakenews import kserve
from bentos.fakenews.answers import add_answers
from bentos.fakenews.asking import ask, runtime_of
from bentos.fakenews.card import card_page
from bentos.fakenews.compression import Compression
from bentos.fakenews.corpus import add_corpus
from bentos.fakenews.explaining import occlusions
from bentos.fakenews.middleware import CSV_PATH, Middleware
from bentos.fakenews.problems import PROBLEMS, add_errors
from bentos.fakenews.runtime import Answered, Runtime
from bentos.fakenews.schemas import (
    ArticleIn,
    BatchIn,
    BatchOut,
    ExplanationOut,
    FeedbackIn,
    FeedbackOut,
    ModelOut,
    PredictionOut,
    Problem,
    RowVerdict,
    Word,
    verdict_fields,
)
from bentos.fakenews.settings import ServiceSettings
from bentos.fakenews.tables import HEADER
from bentos.fakenews.tracing import Tracing
from bentos.fakenews.uploads import answer_rows, open_upload
from fakenews_assets.models.classifier import Article
from fakenews_assets.monitoring.log.prediction_log import stamp
from fakenews_resources.storage.backend import StoreError

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
            expose_headers=["X-Request-ID", "traceparent", "X-Rows", "Retry-After"],
        )
    add_errors(app)
    _add_api(app)
    add_answers(app)
    add_corpus(app, settings)
    app.include_router(kserve.router)
    _add_page(app)
    return app


def _add_api(app: FastAPI) -> None:
    @app.post("/predict", summary="Judge one article", response_model=PredictionOut)
    async def predict(article: ArticleIn, request: Request) -> Response:
        answered = await ask(request, [_article(article)])
        return _json(PredictionOut(**verdict_fields(answered.predictions, 0), **_signed(request, answered)))

    @app.post("/predict_batch", summary="Classify several articles", response_model=BatchOut)
    async def predict_batch(batch: BatchIn, request: Request) -> Response:
        answered = await ask(request, [_article(one) for one in batch.articles])
        verdicts = [
            RowVerdict(row=at + 1, **verdict_fields(answered.predictions, at))
            for at in range(len(batch.articles))
        ]
        return _json(BatchOut(predictions=verdicts, **_signed(request, answered)))

    @app.post(
        CSV_PATH,
        summary="Classify the rows of a file",
        response_class=StreamingResponse,
        form_limits={"max_files": 1, "max_fields": 0},
        responses={
            200: {
                "description": f"Columns {', '.join(HEADER)}, then those of the file besides title and text; one line per"
                " row of the file, in its order and with its delimiter.",
                "content": {"text/csv": {"schema": {"type": "string"}}},
                "headers": {"X-Rows": {"description": "Rows to come.", "schema": {"type": "integer"}}},
            }
        },
    )
    async def predict_csv(
        request: Request,
        file: Annotated[
            UploadFile,
            File(
                description="CSV, JSON Lines, JSON or a spreadsheet, also gzipped or in a ZIP archive, with a column `title`"
                " and optionally `text`.",
                json_schema_extra={"format": "binary"},  # by which generators of clients know a file
            ),
        ],
    ) -> StreamingResponse:
        runtime = runtime_of(request)
        runtime.champion()
        upload, rows = await asyncio.to_thread(open_upload, file.file, runtime.settings)
        return StreamingResponse(
            answer_rows(request, runtime, upload),
            media_type="text/csv; charset=utf-8",
            headers={"X-Rows": str(rows), "Content-Disposition": 'attachment; filename="answers.csv"'},
        )

    @app.post("/explain", summary="Classify one article and weigh its words", response_model=ExplanationOut)
    async def explain(article: ArticleIn, request: Request) -> Response:
        asked = _article(article)
        answered = await ask(request, [asked])
        words, truncated = [], False
        if not answered.predictions.out_of_distribution[0]:
            words, truncated = await _weigh_words(request, asked, answered)
        return _json(
            ExplanationOut(
                **verdict_fields(answered.predictions, 0),
                **_signed(request, answered),
                words=words,
                words_truncated=truncated,
            )
        )

    @app.post(
        "/feedback",
        summary="Attach the true label to an answer",
        responses={404: {"model": Problem, "description": "No such answer in the log."}},
    )
    async def feedback(truth: FeedbackIn, request: Request) -> FeedbackOut:
        runtime = runtime_of(request)
        try:
            known = await runtime.answered(truth.request_id, truth.row)
        except ValueError:
            known = False
        except StoreError as error:
            raise HTTPException(
                503, "The prediction log cannot be read now. Send the label again later."
            ) from error
        if not known:
            raise HTTPException(404, f"The log holds no row {truth.row} of request {truth.request_id}.")
        record = {
            "time": stamp(datetime.now(UTC)),
            "request_id": truth.request_id,
            "row": truth.row,
            "true_label": truth.label,
            "source": truth.source,
        }
        try:
            await asyncio.to_thread(runtime.log.append, "feedback", [record])
        except OSError as error:
            raise HTTPException(503, "The label cannot be stored now. Send it again later.") from error
        return FeedbackOut(request_id=truth.request_id, row=truth.row)

    @app.get("/model", summary="The champion")
    async def model(request: Request) -> ModelOut:
        return runtime_of(request).champion().described

    @app.get(
        "/model/card",
        summary="The model card as a page",
        response_class=Response,
        responses={200: {"content": {"text/html": {"schema": {"type": "string"}}}}},
    )
    async def card(request: Request) -> Response:
        champion = runtime_of(request).champion()
        return card_page(champion.card, champion.described.model_id, str(request.base_url))


def _add_page(app: FastAPI) -> None:
    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    @app.get("/", include_in_schema=False)
    async def index() -> FileResponse:
        return FileResponse(PAGE / "index.html")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> FileResponse:
        return FileResponse(PAGE / "docs.html")

    app.mount("/page", StaticFiles(directory=PAGE), name="page")


async def _weigh_words(request: Request, article: Article, answered: Answered) -> tuple[list[Word], bool]:
    """The weights of an article's words, by the model that has answered; and whether it read more words."""
    model = answered.model
    found, truncated = occlusions(article, with_text=model.reads_text, words_read=model.words_read)
    without = await ask(request, [one.without for one in found], of=model)
    probability = float(answered.predictions.probability[0])
    words = [
        Word(field=one.field, word=one.word, start=one.start, end=one.end, weight=probability - other)
        for one, other in zip(found, without.predictions.probability.tolist(), strict=True)
    ]
    return words, truncated


def _article(article: ArticleIn) -> Article:
    return Article(article.title, article.text or "")


def _signed(request: Request, answered: Answered) -> dict[str, Any]:
    return {"request_id": request.state.request_id, "model_id": answered.model_id}


def _json(answer: BaseModel) -> Response:
    # Built by hand here, so FastAPI need not check it once more on its way out.
    return Response(answer.model_dump_json(), media_type="application/json")
