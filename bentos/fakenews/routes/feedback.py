"""True labels of articles that the service has answered."""

import asyncio
from datetime import UTC, datetime

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException

from bentos.fakenews.routes.asking import runtime_of
from bentos.fakenews.routes.logged import own_answer
from bentos.fakenews.schemas import FeedbackIn, FeedbackOut, Problem
from fakenews_assets.monitoring.log.records import stamp


def add_feedback(app: FastAPI) -> None:
    """Answer `/feedback`."""

    @app.post(
        "/feedback",
        summary="Attach the true label to an answer",
        description="With the key that it was given to, where the service requires keys.",
        responses={404: {"model": Problem, "description": "No such answer in the log."}},
    )
    async def feedback(truth: FeedbackIn, request: Request) -> FeedbackOut:
        await own_answer(request, truth.request_id, truth.row, later="Send the label again later.")
        record = {
            "time": stamp(datetime.now(UTC)),
            "request_id": truth.request_id,
            "row": truth.row,
            "true_label": truth.label,
            "source": truth.source,
        }
        try:
            await asyncio.to_thread(runtime_of(request).log.append, "feedback", [record])
        except OSError as error:
            raise HTTPException(503, "The label cannot be stored now. Send it again later.") from error
        return FeedbackOut(request_id=truth.request_id, row=truth.row)
