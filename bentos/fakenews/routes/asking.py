"""Asks the model on behalf of a request."""

from functools import partial
from time import perf_counter

from fastapi import Request

from bentos.fakenews.http.server import has_left
from bentos.fakenews.model.loading import Served
from bentos.fakenews.model.runtime import Answered, Runtime
from fakenews_assets.models.classifier import Article


def runtime_of(request: Request) -> Runtime:
    """The runtime of the service."""
    return request.app.state.runtime


async def ask(request: Request, articles: list[Article], *, of: Served | None = None) -> Answered:
    """Ask the champion, or for what does not go into the log another model, which is never refused. Nothing more is
    predicted once the client has left.

    Raises:
        ClientDisconnect: it has.
    """
    begin = perf_counter()
    answered = await runtime_of(request).ask(
        articles,
        request_id=request.state.request_id,
        endpoint=request.scope["path"],
        received=request.state.received,
        caller=request.state.caller,
        rows=() if of else range(1, len(articles) + 1),
        model=of,
        is_begun=of is not None,
        has_left=partial(has_left, request.scope),
    )
    if span := request.state.span:
        span.child("queue", begin, answered.began)
        span.child(
            "model", answered.began, answered.ended, articles=len(articles), model_id=answered.model_id
        )
    return answered
