"""The HTTP API and its page as an ASGI application."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final

from fastapi import Depends, FastAPI, File, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import FileResponse, Response, StreamingResponse
from fastapi.security import APIKeyHeader
from fastapi.staticfiles import StaticFiles
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from bentos.fakenews.batching import Overloaded
from bentos.fakenews.card import card_page
from bentos.fakenews.explaining import occlusions
from bentos.fakenews.middleware import CSV_PATH, Middleware, busy, problem
from bentos.fakenews.runtime import Answered, NoModel, Runtime
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
    Verdict,
    Word,
)
from bentos.fakenews.settings import ServiceSettings
from bentos.fakenews.tables import HEADER, NotATable, Row, Upload
from fakenews_assets.models.classifier import Article, Predictions
from fakenews_assets.monitoring.log.prediction_log import stamp
from fakenews_resources.storage.backend import StoreError

PAGE: Final = Path(__file__).parent / "page"

_CSV_ROWS_AT_ONCE: Final = 64
"""Rows of an upload per model batch: few enough that other requests are not delayed."""

_RETRY_SECONDS: Final = 5

_CODES: Final = {
    400: "malformed", 404: "not_found", 405: "wrong_method", 408: "too_slow", 413: "too_large", 415: "wrong_type",
    503: "unavailable",
}  # fmt: skip

_PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    400: {"model": Problem, "description": "The body does not match its content type."},
    401: {"model": Problem, "description": "The service requires an API key."},
    408: {"model": Problem, "description": "The body came too slowly."},
    413: {"model": Problem, "description": "The body is too large."},
    415: {
        "model": Problem,
        "description": "The body is not of the type that is described here, or does not say its type.",
    },
    422: {"model": Problem, "description": "A value is missing, wrong or too long; the message says which."},
    503: {"model": Problem, "description": "Busy, or no model yet. Try again after `Retry-After` seconds."},
}


def create_app(settings: ServiceSettings) -> FastAPI:
    """Create the application. It loads the model when the server starts."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.runtime = Runtime(settings)
        await app.state.runtime.start()
        yield
        await app.state.runtime.stop()

    app = FastAPI(
        title="fakenews",
        description="Predicts how likely a news article is fake, and abstains when it is unsure.",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        responses=_PROBLEMS,
        servers=[
            {"url": "./", "description": "The service that gave this description, also behind a prefix."}
        ],
        generate_unique_id_function=lambda route: route.name,
        # Checked by the middleware, before anything is read; here for those who read the description.
        dependencies=[Depends(APIKeyHeader(name="X-API-Key", auto_error=False))]
        if settings.api_key
        else None,
    )
    app.add_middleware(Middleware, settings=settings)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Content-Type", "X-API-Key"],
            expose_headers=["X-Request-ID", "X-Rows", "Retry-After"],
        )
    _add_errors(app)
    _add_api(app)
    _add_page(app)
    return app


def _add_api(app: FastAPI) -> None:
    @app.post("/predict", summary="Judge one article", response_model=PredictionOut)
    async def predict(article: ArticleIn, request: Request) -> Response:
        answered = await _ask(request, [_article(article)])
        return _json(PredictionOut(**_verdict(answered.predictions, 0), **_signed(request, answered)))

    @app.post("/predict_batch", summary="Classify several articles", response_model=BatchOut)
    async def predict_batch(batch: BatchIn, request: Request) -> Response:
        answered = await _ask(request, [_article(one) for one in batch.articles])
        verdicts = [Verdict(**_verdict(answered.predictions, row)) for row in range(len(batch.articles))]
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
        runtime = _runtime(request)
        runtime.champion()
        upload, rows = await asyncio.to_thread(_opened, file.file, runtime.settings)
        return StreamingResponse(
            _answer_rows(request, runtime, upload),
            media_type="text/csv; charset=utf-8",
            headers={"X-Rows": str(rows), "Content-Disposition": 'attachment; filename="answers.csv"'},
        )

    @app.post("/explain", summary="Classify one article and weigh its words", response_model=ExplanationOut)
    async def explain(article: ArticleIn, request: Request) -> Response:
        asked = _article(article)
        found, truncated = occlusions(asked, with_text=_runtime(request).champion().reads_text)
        answered = await _ask(request, [asked, *(one.without for one in found)], logged=1)
        probability = answered.predictions.probability.tolist()
        words = [
            Word(
                field=one.field, word=one.word, start=one.start, end=one.end, weight=probability[0] - without
            )
            for one, without in zip(found, probability[1:], strict=True)
            if not answered.predictions.out_of_distribution[0]
        ]
        return _json(
            ExplanationOut(
                **_verdict(answered.predictions, 0),
                **_signed(request, answered),
                words=words,
                truncated=truncated,
            )
        )

    @app.post(
        "/feedback",
        summary="Attach the true label to an answer",
        responses={404: {"model": Problem, "description": "No such answer in the log."}},
    )
    async def feedback(truth: FeedbackIn, request: Request) -> FeedbackOut:
        runtime = _runtime(request)
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
        return _runtime(request).champion().described

    @app.get(
        "/model/card",
        summary="The model card as a page",
        response_class=Response,
        responses={200: {"content": {"text/html": {"schema": {"type": "string"}}}}},
    )
    async def card(request: Request) -> Response:
        return card_page(_runtime(request).champion().card)


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


def _opened(file: BinaryIO, limits: ServiceSettings) -> tuple[Upload, int]:
    """A valid upload, and how many rows it has."""
    with ExitStack() as opened:
        upload = opened.enter_context(Upload(file, limits.max_csv_rows, limits.max_csv_bytes))
        rows = upload.count_rows(limits.max_csv_faults)
        opened.pop_all()
    return upload, rows


async def _answer_rows(request: Request, runtime: Runtime, upload: Upload) -> AsyncIterator[bytes]:
    """Stream the lines of an answer as the model predicts them, interleaved with other requests.

    CSV is read and written in a thread, because invalid rows would otherwise block the event loop.
    """
    with upload:
        yield (upload.mark + upload.answer_line(upload.header)).encode()
        rows = upload.rows()
        while chunk := await asyncio.to_thread(_next_rows, rows):
            sound = [row for row in chunk if not row.error]
            answered = None
            if sound:
                answered = await runtime.ask(
                    [row.article for row in sound],
                    request_id=request.state.request_id,
                    endpoint=CSV_PATH,
                    received=request.state.received,
                    rows=[row.number - 1 for row in sound],
                )
            yield await asyncio.to_thread(_written, upload, chunk, answered, request.state.request_id)


def _next_rows(rows: Iterator[Row]) -> list[Row]:
    return list(islice(rows, _CSV_ROWS_AT_ONCE))


def _written(upload: Upload, chunk: list[Row], answered: Answered | None, request_id: str) -> bytes:
    return "".join(map(upload.answer_line, _answers(chunk, answered, request_id))).encode("utf-8", "replace")


def _answers(chunk: list[Row], answered: Answered | None, request_id: str) -> Iterator[tuple[object, ...]]:
    """The cells of one line per row. Valid rows take the next prediction."""
    position = 0
    for row in chunk:
        if row.error or answered is None:
            found: tuple[object, ...] = ("", "", "", "", "", row.error, "")
        else:
            verdict = _verdict(answered.predictions, position)
            position += 1
            found = (
                "" if verdict["label"] is None else verdict["label"],
                verdict["verdict"],
                "" if verdict["probability"] is None else f"{verdict['probability']:.6f}",
                int(verdict["abstained"]),
                verdict["abstain_reason"] or "",
                "",
                answered.model_id,
            )
        yield (row.number, row.article.title, *found, request_id, *row.others)


async def _ask(request: Request, articles: list[Article], *, logged: int | None = None) -> Answered:
    """Ask the model. Nothing more is predicted once the client has gone.

    Raises:
        ClientDisconnect: it has.
    """
    asked = _runtime(request).ask(
        articles,
        request_id=request.state.request_id,
        endpoint=request.scope["path"],
        received=request.state.received,
        rows=range(len(articles) if logged is None else logged),
    )
    if len(articles) == 1:  # watching would cost more than the one prediction
        return await asked
    answer, gone = asyncio.ensure_future(asked), asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait((answer, gone), return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise ClientDisconnect
        return answer.result()
    finally:
        answer.cancel()
        gone.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _runtime(request: Request) -> Runtime:
    return request.app.state.runtime


def _article(article: ArticleIn) -> Article:
    return Article(article.title, article.text or "")


def _verdict(predictions: Predictions, row: int) -> dict[str, Any]:
    label, reason = int(predictions.predicted_label[row]), predictions.abstain_reason(row)
    return {
        "label": None if reason else label,
        "verdict": "unsure" if reason else ("real", "fake")[label],
        # Out of distribution a number would be taken for an answer.
        "probability": None if reason == "out_of_distribution" else float(predictions.probability[row]),
        "abstained": reason is not None,
        "abstain_reason": reason,
    }


def _signed(request: Request, answered: Answered) -> dict[str, Any]:
    return {"request_id": request.state.request_id, "model_id": answered.model_id}


def _json(answer: BaseModel) -> Response:
    # Built by hand here, so FastAPI need not check it once more on its way out.
    return Response(answer.model_dump_json(), media_type="application/json")


def _add_errors(app: FastAPI) -> None:
    """Answer every error in the shape of `Problem`, with what to do next."""

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        faults = error.errors()
        if any(fault["type"] == "json_invalid" for fault in faults):
            return _refuse(request, 400, "malformed", "The body is not JSON.")
        return _refuse(request, 422, "invalid", "; ".join(map(_fault, faults[:5])))

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        code = _CODES.get(error.status_code, "refused")
        retry_after = _RETRY_SECONDS if error.status_code == 503 else None
        answer = _refuse(request, error.status_code, code, str(error.detail), retry_after)
        answer.headers.update(error.headers or {})  # such as `Allow`
        return answer

    @app.exception_handler(NotATable)
    async def not_a_table(request: Request, error: NotATable) -> Response:
        return _refuse(request, 422, "not_a_table", str(error))

    @app.exception_handler(Overloaded)
    async def overloaded(request: Request, error: Overloaded) -> Response:
        return busy(error, request.state.request_id)

    @app.exception_handler(NoModel)
    async def no_model(request: Request, _: NoModel) -> Response:
        message = (
            "No model has been selected yet. `make demo` makes one; the service takes it over by itself."
        )
        return _refuse(request, 503, "no_model", message, _RETRY_SECONDS)


def _refuse(
    request: Request, status: int, code: str, message: str, retry_after: int | None = None
) -> Response:
    return problem(status, code, message, request.state.request_id, retry_after)


def _fault(fault: Mapping[str, Any]) -> str:
    """Location and reason, without the input, which may be long or no text."""
    where = ".".join(str(part) for part in fault["loc"] if part != "body") or "body"
    if fault["type"] == "string_pattern_mismatch":
        return (
            f"{where}: must not be empty" if where.endswith("title") else f"{where}: not in the expected form"
        )
    return f"{where}: {fault['msg']}"
