"""Answers that were given before, read from the prediction log by request id."""

from typing import Annotated

import numpy as np
from fastapi import FastAPI, Path, Query, Request

from bentos.fakenews.routes.logged import own_answer
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
        line = await own_answer(request, request_id, row, later="Ask again later.")
        predicted = Predictions(**{name: np.array([line[name]]) for name in _PREDICTED})
        known = {name: line[name] for name in ("request_id", "row", "time", "model_id", "title", "text")}
        return LoggedAnswer(**verdict_fields(predicted, 0), **known)
