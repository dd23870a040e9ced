"""Looks into the prediction log on behalf of a request."""

from collections.abc import Mapping
from typing import Any

from fastapi import Request
from starlette.exceptions import HTTPException

from bentos.fakenews.routes.asking import runtime_of
from fakenews_resources.storage.backend import StoreError


async def own_answer(request: Request, request_id: str, row: int, *, later: str) -> Mapping[str, Any]:
    """The log's line of an answer that was given to the key of this request, or to no key.

    Args:
        request: that asks for it.
        request_id: of the answer.
        row: the same.
        later: what to do once the log can be read again.

    Raises:
        HTTPException: 404 where the log has none, or another key's; 503 without the log.
    """
    try:
        line = await runtime_of(request).answer(request_id, row)
    except ValueError:  # no id of this service
        line = None
    except StoreError as error:
        raise HTTPException(503, f"The prediction log cannot be read now. {later}") from error
    # Holders of different keys must not read each other, nor label what they cannot read.
    if line is None or line["client"] not in (None, request.state.caller.client):
        raise HTTPException(404, f"The log holds no row {row} of request {request_id}.")
    return line
