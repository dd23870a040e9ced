"""Lines of the prediction log: their columns, and how they are made."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

import polars as pl

from fakenews_assets.models.classifier import Article
from fakenews_assets.models.predictions import PREDICTION_SCHEMA

Kind = Literal["predictions", "feedback"]

PREDICTION_LOG_SCHEMA: Final = pl.Schema(
    {
        "time": pl.Datetime("ms", "UTC"),
        "request_id": pl.String,
        "row": pl.Int64,
        "endpoint": pl.String,
        **PREDICTION_SCHEMA,
        # Title and text stand behind the article's id and before other names: so an erasure finds them in torn lines.
        "title_chars": pl.Int64,
        "text_chars": pl.Int64,
        "title": pl.String,
        "text": pl.String,
        "model_id": pl.String,
        "latency_ms": pl.Float64,
        "truncated": pl.Boolean,
        "client": pl.String,
        "client_request_id": pl.String,
        "trace_id": pl.String,
    }
)
"""Columns of an answered article, whose true label nobody knows yet. `article_id` is the hash of the prepared article,
the same as in `clean_news`; `title` and `text` are as asked, and null unless the log is configured to hold them."""

FEEDBACK_SCHEMA: Final = pl.Schema(
    {
        "time": pl.Datetime("ms", "UTC"),
        "request_id": pl.String,
        "row": pl.Int64,
        "true_label": pl.Int8,
        "source": pl.String,
    }
)
"""Columns of a label that came later. The last one for a row counts; null takes back those before."""

SCHEMAS: Final[Mapping[Kind, pl.Schema]] = {
    "predictions": PREDICTION_LOG_SCHEMA,
    "feedback": FEEDBACK_SCHEMA,
}


class Caller(NamedTuple):
    """Who asked, as far as a request says it."""

    client: str | None = None
    """Name of its API key."""
    client_request_id: str | None = None
    """The client's own id of the request. Clients may use one several times, so it is no key of this log."""
    trace_id: str | None = None
    """Of the trace (W3C Trace Context) that the request is part of."""


UNKNOWN_CALLER: Final = Caller()


def stamp(moment: datetime) -> str:
    """A time in the log's format, to the millisecond."""
    return moment.isoformat(timespec="milliseconds")


def log_line(
    article: Article,
    prediction: Mapping[str, Any],
    *,
    time: datetime,
    request_id: str,
    row: int,
    endpoint: str,
    model_id: str,
    latency_ms: float,
    with_text: bool,
    truncated: bool = False,
    caller: Caller = UNKNOWN_CALLER,
) -> dict[str, Any]:
    """The line of one answered article, in the order of `PREDICTION_LOG_SCHEMA`.

    Args:
        article: as asked.
        prediction: of `prediction_records`.
        time: when it was answered.
        request_id: of the request.
        row: within the request.
        endpoint: that was asked.
        model_id: sha of the bundle that answered.
        latency_ms: from the request to the answer.
        with_text: whether the line holds title and text, or their lengths alone.
        truncated: whether the model read only the beginning of the article.
        caller: who asked.
    """
    return {
        "time": stamp(time),
        "request_id": request_id,
        "row": row,
        "endpoint": endpoint,
        **prediction,
        "title_chars": len(article.title),
        "text_chars": len(article.text),
        "title": article.title if with_text else None,
        "text": article.text if with_text else None,
        "model_id": model_id,
        "latency_ms": latency_ms,
        "truncated": truncated,
        **caller._asdict(),
    }


def labels_in_force(feedback: pl.LazyFrame) -> pl.LazyFrame:
    """The last label of every row, in order of time, without those that were taken back. Columns of `FEEDBACK_SCHEMA`."""
    last = feedback.sort("time").unique(["request_id", "row"], keep="last", maintain_order=True)
    return last.filter(pl.col("true_label").is_not_null())
