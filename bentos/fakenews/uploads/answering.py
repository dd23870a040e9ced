"""Receives an uploaded file, counts its rows, and answers them one by one."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from itertools import islice
from typing import BinaryIO, Final

from fastapi import Request

from bentos.fakenews.http.server import Server
from bentos.fakenews.model.runtime import Answered, Runtime
from bentos.fakenews.schemas import verdict_fields
from bentos.fakenews.settings import ServiceSettings
from bentos.fakenews.uploads.tables import Row, Upload
from fakenews_assets.monitoring.windows import CSV_PATH

_ROWS_AT_ONCE: Final = 64
"""Rows that are read, answered and sent together: few enough that the first answers come at once."""


def open_upload(file: BinaryIO, limits: ServiceSettings) -> tuple[Upload, int]:
    """A valid upload, and how many rows it has."""
    with ExitStack() as opened:
        upload = opened.enter_context(Upload(file, limits.max_csv_rows, limits.max_csv_bytes))
        rows = upload.count_rows(limits.max_csv_faults)
        opened.pop_all()
    return upload, rows


async def answer_rows(request: Request, runtime: Runtime, upload: Upload) -> AsyncIterator[bytes]:
    """Stream the lines of an answer as the model predicts them, interleaved with other requests.

    CSV is read and written in a thread, because invalid rows would otherwise block the event loop.
    """
    with upload:
        yield (upload.mark + upload.answer_line(upload.header)).encode()
        rows = upload.rows()
        while chunk := await asyncio.to_thread(_next_rows, rows):
            if Server.is_over():
                yield _cut(upload, chunk[0].number, request.state.request_id).encode()
                return
            sound = [row for row in chunk if not row.error]
            answered = None
            if sound:
                answered = await runtime.ask(
                    [row.article for row in sound],
                    request_id=request.state.request_id,
                    endpoint=CSV_PATH,
                    received=request.state.received,
                    caller=request.state.caller,
                    rows=[row.number for row in sound],
                    is_begun=True,
                )
            yield await asyncio.to_thread(_written, upload, chunk, answered, request.state.request_id)


def _cut(upload: Upload, row: int, request_id: str) -> str:
    """The last line of an answer that the service has no time to finish."""
    message = f"The service is stopping. Send the file again from row {row:,} on."
    cells = {"row": row, "error": message, "request_id": request_id}
    return upload.answer_line([cells.get(name, "") for name in upload.header])


def _next_rows(rows: Iterator[Row]) -> list[Row]:
    return list(islice(rows, _ROWS_AT_ONCE))


def _written(upload: Upload, chunk: list[Row], answered: Answered | None, request_id: str) -> bytes:
    return "".join(map(upload.answer_line, _answers(chunk, answered, request_id))).encode("utf-8", "replace")


def _answers(chunk: list[Row], answered: Answered | None, request_id: str) -> Iterator[tuple[object, ...]]:
    """The cells of one line per row. Valid rows take the next prediction."""
    position = 0
    for row in chunk:
        if row.error or answered is None:
            found: tuple[object, ...] = ("", "", "", "", "", "", row.error, "")
        else:
            verdict = verdict_fields(answered.predictions, position)
            position += 1
            found = (
                "" if verdict["label"] is None else verdict["label"],
                verdict["verdict"],
                "" if verdict["probability"] is None else f"{verdict['probability']:.6f}",
                int(verdict["abstained"]),
                verdict["abstain_reason"] or "",
                int(verdict["truncated"]),
                "",
                answered.model_id,
            )
        yield (row.number, row.article.title, *found, request_id, *row.others)
