"""Answers that were given before, read from the prediction log by request id."""

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from fastapi import FastAPI, Path, Query, Request

from bentos.fakenews.routes.asking import runtime_of
from bentos.fakenews.routes.logged import found_in_log
from bentos.fakenews.schemas import MAX_ROW, LoggedAnswer, Problem, verdict_fields
from fakenews_assets.models.classifier import Predictions

_PREDICTED = ("probability", "predicted_label", "abstained", "out_of_distribution", "truncated")


def add_answers(app: FastAPI) -> None:
    """Serve the answers that the log holds."""

    @app.get(
        "/answers/{request_id}",
        summary="Read an answer again",
        description="With the key that it was given to, where the service requires keys.",
        responses={404: {"model": Problem, "description": "No such answer in the log."}},
    )
    async def answer(
        request: Request,
        request_id: Annotated[str, Path(max_length=40, description="Of the answer.")],
        row: Annotated[
            int, Query(ge=1, le=MAX_ROW, description="Which article of the request, counted from 1.")
        ] = 1,
    ) -> LoggedAnswer:
        line = await found_in_log(_own(request, request_id, row), request_id, row, later="Ask again later.")
        predicted = Predictions(**{name: np.array([line[name]]) for name in _PREDICTED})
        known = {name: line[name] for name in ("request_id", "row", "time", "model_id", "title", "text")}
        return LoggedAnswer(**verdict_fields(predicted, 0), **known)


async def _own(request: Request, request_id: str, row: int) -> Mapping[str, Any] | None:
    """A line of the log, unless it was given to another key: these are of callers who must not read each other."""
    line = await runtime_of(request).answer(request_id, row)
    return line if line and line["client"] in (None, request.state.caller.client) else None
