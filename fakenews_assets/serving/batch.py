"""Answers for a whole table, in pieces: memory stays flat however long it is."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from fakenews_assets.serving.scoring import Scorer
from fakenews_assets.training.classifier import Article

PREDICTION_SCHEMA: Final = pl.Schema(
    {
        "article_id": pl.String,
        "probability": pl.Float32,
        "label": pl.Int8,
        "abstained": pl.Boolean,
        "unfamiliar": pl.Boolean,
        "model_id": pl.String,
    }
)
"""Columns of a table of answers, one row per article and in the same order. `label` is the model's. `abstained` without
`unfamiliar`: the model is uncertain."""

_ROWS_AT_ONCE: Final = 4096


@dataclass
class BatchSummary:
    """What came out."""

    rows: int = 0
    fake: int = 0
    abstained: int = 0
    unfamiliar: int = 0
    """Of the abstentions."""
    prepared_otherwise: int = 0
    """Articles that the bundle's text preparation changes: `clean_news` prepared them by other settings."""
    labelled: int = 0
    right: int = 0
    """Of the labelled ones, those that the model gives the same label."""


def score_table(
    scorer: Scorer, parts: list[Path], target: Path, on_rows: Callable[[int], None] = lambda _: None
) -> BatchSummary:
    """Score cleaned articles part by part.

    Args:
        scorer: the model.
        parts: Parquet files in ARTICLE_SCHEMA, in order.
        target: receives `predictions-NNNN.parquet`.
        on_rows: told how many rows are done.
    """
    summary = BatchSummary()
    number = 0
    for part in parts:
        rows = pl.scan_parquet(part).select(pl.len()).collect().item()
        for first in range(0, rows, _ROWS_AT_ONCE):
            piece = pl.scan_parquet(part).slice(first, _ROWS_AT_ONCE)
            frame = piece.select("article_id", "title", "text", "label").collect()
            answers = _score(scorer, frame, summary)
            answers.write_parquet(target / f"predictions-{number:04d}.parquet")
            number += 1
            on_rows(summary.rows)
    if not number:
        pl.DataFrame(schema=PREDICTION_SCHEMA).write_parquet(target / "predictions-0000.parquet")
    return summary


def _score(scorer: Scorer, frame: pl.DataFrame, summary: BatchSummary) -> pl.DataFrame:
    scores = scorer.score([Article(*row) for row in frame.select("title", "text").iter_rows()])
    found = scores.predictions
    answers = pl.DataFrame(
        {
            "article_id": frame["article_id"],
            "probability": found.probability,
            "label": found.label,
            "abstained": found.abstained,
            "unfamiliar": found.unfamiliar,
            "model_id": [scorer.model_id] * len(frame),
        },
        schema=PREDICTION_SCHEMA,
    )
    summary.rows += len(frame)
    summary.fake += int((found.label[~found.abstained] == 1).sum())
    summary.abstained += int(found.abstained.sum())
    summary.unfamiliar += int(found.unfamiliar.sum())
    summary.prepared_otherwise += int((frame["article_id"] != pl.Series(scores.article_ids)).sum())
    summary.labelled += int(frame["label"].is_not_null().sum())
    summary.right += int((frame["label"] == answers["label"]).fill_null(False).sum())
    return answers
