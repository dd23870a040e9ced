"""Asks the model on behalf of a request."""

import asyncio
from collections.abc import Coroutine
from time import perf_counter
from typing import Any

from fastapi import Request
from starlette.requests import ClientDisconnect

from bentos.fakenews.model.loading import Served
from bentos.fakenews.model.runtime import Answered, Runtime
from fakenews_assets.models.classifier import Article


def runtime_of(request: Request) -> Runtime:
    """The runtime of the service."""
    return request.app.state.runtime


async def ask(request: Request, articles: list[Article], *, of: Served | None = None) -> Answered:
    """Ask the champion, or for what does not go into the log another model, which is never refused. Nothing more is predicted once the client has
    gone.

    Raises:
        ClientDisconnect: it has.
    """
    asked = runtime_of(request).ask(
        articles,
        request_id=request.state.request_id,
        endpoint=request.scope["path"],
        received=request.state.received,
        caller=request.state.caller,
        rows=() if of else range(1, len(articles) + 1),
        model=of,
        is_begun=of is not None,
    )
    begin = perf_counter()
    if len(articles) == 1:  # watching would cost more than the one prediction
        answered = await asked
    else:
        answered = await _unless_gone(request, asked)
    if span := request.state.span:
        span.child("queue", begin, answered.began)
        span.child(
            "model", answered.began, answered.ended, articles=len(articles), model_id=answered.model_id
        )
    return answered


async def _unless_gone(request: Request, asked: Coroutine[Any, Any, Answered]) -> Answered:
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
