"""Looks into the prediction log on behalf of a request."""

from collections.abc import Awaitable
from typing import TypeVar

from starlette.exceptions import HTTPException

from fakenews_resources.storage.backend import StoreError

T = TypeVar("T")


async def found_in_log(looking: Awaitable[T | None], request_id: str, row: int, *, later: str) -> T:
    """What the log says of a row of a request.

    Args:
        looking: gives None or False where the log does not hold the row.
        request_id: as asked for.
        row: the same.
        later: what to do once the log can be read again.

    Raises:
        HTTPException: 404 without such a row, 503 without the log.
    """
    try:
        found = await looking
    except ValueError:  # no id of this service
        found = None
    except StoreError as error:
        raise HTTPException(503, f"The prediction log cannot be read now. {later}") from error
    if not found:
        raise HTTPException(404, f"The log holds no row {row} of request {request_id}.")
    return found
