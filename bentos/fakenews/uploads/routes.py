"""The route for uploaded files."""

import asyncio
from typing import Annotated

from fastapi import FastAPI, File, Request, UploadFile
from fastapi.responses import Response, StreamingResponse

from bentos.fakenews.http.problems import problem
from bentos.fakenews.routes.asking import runtime_of
from bentos.fakenews.uploads.answering import answer_rows, open_upload
from bentos.fakenews.uploads.tables import HEADER, NotATable
from fakenews_assets.monitoring.windows import CSV_PATH


def add_uploads(app: FastAPI) -> None:
    """Answer `/predict_csv`."""

    @app.exception_handler(NotATable)
    async def not_a_table(request: Request, error: NotATable) -> Response:
        return problem(request.scope, 422, "not_a_table", str(error))

    @app.post(
        CSV_PATH,
        summary="Classify the rows of a file",
        response_class=StreamingResponse,
        form_limits={"max_files": 1, "max_fields": 0},
        responses={
            200: {
                "description": f"Columns {', '.join(HEADER)}, then those of the file besides title and text; one line per"
                " row of the file, in its order and with its delimiter.",
                "content": {"text/csv": {"schema": {"type": "string"}}},
                "headers": {
                    "X-Rows": {"description": "Rows to come.", "schema": {"type": "integer"}},
                    "X-Read-As": {
                        "description": "How the file was found to be written. The encoding of a text that is not Unicode is a guess.",
                        "schema": {"type": "string"},
                    },
                },
            }
        },
    )
    async def predict_csv(
        request: Request,
        file: Annotated[
            UploadFile,
            File(
                description="CSV, JSON Lines, JSON or a spreadsheet, also gzipped or in a ZIP archive, with a column `title`"
                " and optionally `text`.",
                json_schema_extra={"format": "binary"},  # by which generators of clients know a file
            ),
        ],
    ) -> StreamingResponse:
        runtime = runtime_of(request)
        runtime.champion()
        upload, rows = await asyncio.to_thread(open_upload, file.file, runtime.settings)
        return StreamingResponse(
            answer_rows(request, runtime, upload),
            media_type="text/csv; charset=utf-8",
            headers={
                "X-Rows": str(rows),
                "X-Read-As": upload.read_as,
                "Content-Disposition": 'attachment; filename="answers.csv"',
            },
        )
