"""Error responses: one shape for all of them, with what to do next."""

from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import Scope

from bentos.fakenews.model.batching import Overloaded
from bentos.fakenews.model.loading import NoModel
from bentos.fakenews.schemas import Fault, Problem
from fakenews_resources.request_ids import new_request_id

RETRY_SECONDS: Final = 5
"""When to try again, where nothing better is known."""

_CODES: Final = {
    400: "malformed", 404: "not_found", 405: "wrong_method", 408: "too_slow", 413: "too_large", 415: "wrong_type",
    503: "unavailable",
}  # fmt: skip

_MESSAGES: Final = {
    404: "Nothing is here. The page `docs` describes what this service answers.",
    405: "This address does not answer that method; the header Allow names those that it does.",
    503: "The service is not ready: it has no model yet.",
}

PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    400: {"model": Problem, "description": "The body does not match its content type."},
    401: {"model": Problem, "description": "The service requires an API key."},
    408: {"model": Problem, "description": "The body came too slowly."},
    413: {"model": Problem, "description": "The body is too large."},
    415: {
        "model": Problem,
        "description": "The body is not of the type that is described here, or does not say its type.",
    },
    422: {"model": Problem, "description": "A value is missing, wrong or too long; the message says which."},
    429: {
        "model": Problem,
        "description": "Too many requests of this key. Try again after `Retry-After` seconds.",
    },
    503: {"model": Problem, "description": "Busy, or no model yet. Try again after `Retry-After` seconds."},
}


def busy(scope: Scope, error: Overloaded) -> JSONResponse:
    """Response of an overloaded service."""
    message = f"The service is busy; try again in {error.retry_after} s."
    return problem(scope, 503, "busy", message, error.retry_after)


def problem(
    scope: Scope, status: int, code: str, message: str, retry_after: int | None = None
) -> JSONResponse:
    """An error response to a request."""
    request_id = scope["state"]["request_id"]
    if scope["path"].startswith("/v2/"):  # the inference protocol wants the message there
        body = {"error": message, "code": code, "request_id": request_id}
    else:
        body = Problem(error=Fault(code=code, message=message), request_id=request_id).model_dump()
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return JSONResponse(body, status, headers)


def problem_of_bentoml(scope: Scope, status: int, headers: Mapping[bytes, bytes]) -> JSONResponse:
    """An error response in place of BentoML's plain text, to a request that did not reach the API.

    Args:
        scope: of the request.
        status: of BentoML's response.
        headers: the same.
    """
    scope = {**scope, "state": {"request_id": new_request_id()}}
    message = _MESSAGES.get(status, "The service failed.")
    answer = problem(scope, status, _CODES.get(status, "failed"), message)
    if allowed := headers.get(b"allow"):
        answer.headers["Allow"] = allowed.decode("latin-1")
    answer.headers["X-Request-ID"] = scope["state"]["request_id"]
    return answer


def add_errors(app: FastAPI) -> None:
    """Answer every error in the shape of `Problem`, with what to do next."""

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        faults = error.errors()
        if any(fault["type"] == "json_invalid" for fault in faults):
            return problem(request.scope, 400, "malformed", "The body is not JSON.")
        return problem(request.scope, 422, "invalid", "; ".join(map(_fault, faults[:5])))

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        code = _CODES.get(error.status_code, "refused")
        retry_after = RETRY_SECONDS if error.status_code == 503 else None
        answer = problem(request.scope, error.status_code, code, str(error.detail), retry_after)
        answer.headers.update(error.headers or {})  # such as `Allow`
        return answer

    @app.exception_handler(Overloaded)
    async def overloaded(request: Request, error: Overloaded) -> Response:
        return busy(request.scope, error)

    @app.exception_handler(NoModel)
    async def no_model(request: Request, _: NoModel) -> Response:
        message = (
            "No model has been selected yet. `make demo` makes one, or `fakenews demo` where the graph runs; the service"
            " takes it over by itself."
        )
        return problem(request.scope, 503, "no_model", message, RETRY_SECONDS)


def _fault(fault: Mapping[str, Any]) -> str:
    """Location and reason, without the input, which may be long or no text."""
    where = ".".join(str(part) for part in fault["loc"] if part != "body") or "body"
    if fault["type"] == "string_pattern_mismatch":
        return (
            f"{where}: must not be empty" if where.endswith("title") else f"{where}: not in the expected form"
        )
    return f"{where}: {fault['msg']}"
