"""The article table that every part of the graph shares.

One row is one article. `article_id` names the content, not the row: two rows with the same
normalised title and text have the same id, whatever file they came from.
"""

import hashlib
from enum import IntEnum, StrEnum
from typing import Final

import polars as pl


class Label(IntEnum):
    """The meaning of a label, in WELFake's file and in every table here."""

    REAL = 0
    FAKE = 1


ARTICLE_SCHEMA: Final = pl.Schema(
    {
        "article_id": pl.String,
        "title": pl.String,
        "text": pl.String,
        "label": pl.Int8,
        "source": pl.String,
        "group": pl.String,
        "published_at": pl.Datetime("us", "UTC"),
        "batch": pl.String,
    }
)
"""Columns of a cleaned article table. `text` may be empty; `label`, `source`, `group` and `published_at`
may be null; the rest never is. `source` is the publisher as `normalise_source` names it, `group` what publishers are
compared by, such as their political leaning, in lower case."""


CLUSTER_SCHEMA: Final = pl.Schema(
    {
        "article_id": pl.String,
        "batch": pl.String,
        "cluster_id": pl.String,
        "split": pl.String,
        "unseen_publisher": pl.Boolean,
        "shared_text": pl.Boolean,
        "excluded": pl.String,
    }
)
"""Columns of `article_clusters`, one row per article. `excluded` says why an article is left out of every split."""

SPLIT_SCHEMA: Final = pl.Schema(
    {**ARTICLE_SCHEMA, "cluster_id": pl.String, "unseen_publisher": pl.Boolean, "shared_text": pl.Boolean}
)
"""Columns of each split."""

RAW_SCHEMA: Final = pl.Schema(
    {
        "row": pl.Int64,
        "line": pl.Int64,
        "title": pl.String,
        "text": pl.String,
        "label": pl.String,
        "source": pl.String,
        "url": pl.String,
        "group": pl.String,
        "published_at": pl.String,
    }
)
"""Columns of a file as read, before anything is judged: every value is still text. `row` counts the
records of the batch from 1, and `line` is where a record begins in its file; null in Parquet. A column that the file lacks is
all null."""


class Reason(StrEnum):
    """The `reason` of a quarantined row; what exactly was wrong stands in its `detail`."""

    EMPTY_TITLE = "empty title"
    UNREADABLE_ROW = "unreadable row"
    LABEL_OUT_OF_RANGE = "label out of range"
    FIELD_TOO_LONG = "over-long field"
    NESTED = "nested markup"
    ERASED = "erased"


QUARANTINE_SCHEMA: Final = pl.Schema(
    {
        "row": pl.Int64,
        "line": pl.Int64,
        "reason": pl.String,
        "detail": pl.String,
        "lines": pl.Int64,
        "record": pl.String,
    }
)
"""Columns of a quarantine table: `row` and `line` as in `RAW_SCHEMA`, a `Reason`, what exactly was wrong, how many lines an
unreadable record takes up (else 1), and the start of the record itself (the whole of it stays in the raw bytes)."""


def article_id(title: str, text: str) -> str:
    """Name an article by its content.

    Args:
        title: normalised title.
        text: normalised text, possibly empty.

    Returns:
        32 hex digits: the first 16 bytes of the SHA-256 of title and text, joined by a newline
        (which a normalised title cannot hold).
    """
    return hashlib.sha256(f"{title}\n{text}".encode()).hexdigest()[:32]
