"""The Open Inference Protocol (KServe v2) over HTTP, beside the API of its own.

https://github.com/kserve/open-inference-protocol. Tensors come as JSON; the binary extension is not offered. It is not
part of the OpenAPI description: what its inputs may be depends on their shapes, which JSON Schema cannot say.
"""

import math
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, ValidationError

from bentos.fakenews.routes.asking import ask, runtime_of
from bentos.fakenews.schemas import MAX_ROWS, BatchIn, verdict_fields
from fakenews_assets.models.classifier import Article
from fakenews_assets.monitoring.windows import KSERVE_PATH

_MODEL: Final = "fakenews"
_INPUTS: Final = [
    {"name": "title", "datatype": "BYTES", "shape": [-1]},
    {"name": "text", "datatype": "BYTES", "shape": [-1], "parameters": {"optional": True}},
]
_OUTPUTS: Final = {
    "label": "INT8",  # -1: the model abstains
    "verdict": "BYTES",
    "probability": "FP32",  # -1: it is out of distribution
    "abstained": "BOOL",
    "abstain_reason": "BYTES",
    "truncated": "BOOL",
}

router: Final = APIRouter(prefix="/v2", include_in_schema=False, strict_content_type=False)


class InputTensor(BaseModel):
    """An input: a flat or nested list of strings."""

    name: Literal["title", "text"]
    datatype: Literal["BYTES"]
    shape: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1, max_length=8)]
    data: list[Any]


class OutputName(BaseModel):
    """An output that is asked for."""

    name: Literal["label", "verdict", "probability", "abstained", "abstain_reason", "truncated"]


class InferenceRequest(BaseModel):
    """A request for predictions."""

    id: str | None = Field(default=None, max_length=1000)
    inputs: list[InputTensor] = Field(min_length=1, max_length=2)
    outputs: list[OutputName] | None = Field(default=None, max_length=len(_OUTPUTS))


@router.get("")
async def server() -> dict[str, Any]:
    """Metadata of the server."""
    return {"name": _MODEL, "version": "1", "extensions": []}


@router.get("/health/live")
async def live() -> dict[str, bool]:
    """Whether the server answers."""
    return {"live": True}


@router.get("/health/ready")
@router.get(f"/models/{_MODEL}/ready")
async def ready(request: Request) -> JSONResponse:
    """Whether there is a champion."""
    is_ready = runtime_of(request).served is not None
    return JSONResponse({"name": _MODEL, "ready": is_ready}, 200 if is_ready else 503)


@router.get(f"/models/{_MODEL}")
async def model(request: Request) -> dict[str, Any]:
    """Metadata of the model."""
    return {
        "name": _MODEL,
        "versions": [runtime_of(request).champion().described.model_id],
        "platform": "fakenews",
        "inputs": _INPUTS,
        "outputs": [{"name": name, "datatype": kind, "shape": [-1]} for name, kind in _OUTPUTS.items()],
    }


@router.post(KSERVE_PATH.removeprefix(router.prefix))
async def infer(asked: InferenceRequest, request: Request) -> JSONResponse:
    """Predict a batch of articles."""
    articles = _articles(asked.inputs)
    answered = await ask(request, articles)
    rows = [verdict_fields(answered.predictions, row) for row in range(len(articles))]
    wanted = [one.name for one in asked.outputs] if asked.outputs else list(_OUTPUTS)
    return JSONResponse(
        {
            "model_name": _MODEL,
            "model_version": answered.model_id,
            **({} if asked.id is None else {"id": asked.id}),
            "parameters": {"request_id": request.state.request_id},
            "outputs": [
                {
                    "name": name,
                    "datatype": _OUTPUTS[name],
                    "shape": [len(rows)],
                    "data": [_element(row[name], _OUTPUTS[name]) for row in rows],
                }
                for name in wanted
            ],
        }
    )


def _articles(inputs: list[InputTensor]) -> list[Article]:
    """The articles of a request.

    Raises:
        RequestValidationError: the tensors do not fit together, or hold what is no article.
    """
    columns: dict[str, list[Any]] = {}
    for at, tensor in enumerate(inputs):
        if tensor.name in columns:
            raise _invalid(("inputs", at), f"the input {tensor.name} is there twice")
        columns[tensor.name] = list(_flat(tensor.data))
        if math.prod(tensor.shape) != len(columns[tensor.name]):
            raise _invalid(("inputs", at, "shape"), "the shape is not that of the data")
    if "title" not in columns:
        raise _invalid(("inputs",), "the input title is missing")
    titles, texts = columns["title"], columns.get("text")
    if texts is not None and len(texts) != len(titles):
        raise _invalid(("inputs",), "title and text have different lengths")
    if not titles or len(titles) > MAX_ROWS:
        raise _invalid(("inputs",), f"send 1 to {MAX_ROWS:,} articles")
    rows = [
        {"title": title, "text": text}
        for title, text in zip(titles, texts or [None] * len(titles), strict=True)
    ]
    try:
        batch = BatchIn.model_validate({"articles": rows})
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error
    return [one.as_asked() for one in batch.articles]


def _flat(data: Iterable[Any]) -> Iterator[Any]:
    for element in data:
        if isinstance(element, list):
            yield from _flat(element)
        else:
            yield element


def _invalid(where: tuple[str | int, ...], message: str) -> RequestValidationError:
    return RequestValidationError([{"type": "value_error", "loc": ("body", *where), "msg": message}])


def _element(value: Any, kind: str) -> Any:
    # A tensor knows no null.
    if value is None:
        return "" if kind == "BYTES" else -1
    return value
