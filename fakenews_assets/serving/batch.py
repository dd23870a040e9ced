"""Scores whole tables in pieces, with constant memory."""

from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass
from functools import partial
from pathlib import Path
from typing import Final

import polars as pl

from fakenews_assets.common import progress
from fakenews_assets.models.classifier import Article
from fakenews_assets.models.predictions import BATCH_PREDICTION_SCHEMA, prediction_table
from fakenews_assets.registry.scorer import Scorer
from fakenews_resources.engine.in_process import OrderedMap, ShippedFolder, in_process

_ROWS_AT_ONCE: Final = 4096


@dataclass
class BatchSummary:
    """Counts of a scored batch."""

    rows: int = 0
    fake: int = 0
    abstained: int = 0
    out_of_distribution: int = 0
    """Of the abstentions."""
    prepared_otherwise: int = 0
    """Articles that the bundle's text preparation changes: `clean_news` prepared them by other settings."""
    labelled: int = 0
    right: int = 0
    """Labelled articles whose predicted label equals the true one."""

    def __add__(self, other: "BatchSummary") -> "BatchSummary":
        return BatchSummary(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


def shipped_scorer(bundle: ShippedFolder) -> Scorer:
    """The model of a bundle that may come from another machine; verified on arrival. Raises as `Scorer.open`."""
    return Scorer.open(bundle.path)


def score_table(
    scorer: Callable[[], Scorer],
    parts: list[Path],
    target: Path,
    over: OrderedMap = in_process,
) -> BatchSummary:
    """Score cleaned articles part by part.

    Args:
        scorer: loads the model; called once in every process that works.
        parts: Parquet files in ARTICLE_SCHEMA, in order.
        target: receives `predictions-NNNN.parquet`.
        over: where the pieces are scored.
    """
    rows = pl.scan_parquet(parts).select(pl.len()).collect().item() if parts else 0
    progress.report(0, rows, "articles")
    summary = BatchSummary()
    scored = over(partial(_piece_scorer, scorer), _pieces(parts))
    for number, (answers, counts) in enumerate(scored):
        answers.write_parquet(target / f"predictions-{number:04d}.parquet")
        summary += counts
        progress.report(summary.rows, rows, "articles")
    if not summary.rows:
        pl.DataFrame(schema=BATCH_PREDICTION_SCHEMA).write_parquet(target / "predictions-0000.parquet")
    return summary


def _pieces(parts: list[Path]) -> Iterator[pl.DataFrame]:
    for part in parts:
        rows = pl.scan_parquet(part).select(pl.len()).collect().item()
        for first in range(0, rows, _ROWS_AT_ONCE):
            piece = pl.scan_parquet(part).slice(first, _ROWS_AT_ONCE)
            yield piece.select("article_id", "title", "text", "label").collect()


def _piece_scorer(
    scorer: Callable[[], Scorer],
) -> Callable[[pl.DataFrame], tuple[pl.DataFrame, BatchSummary]]:
    return partial(_score, scorer())


def _score(scorer: Scorer, frame: pl.DataFrame) -> tuple[pl.DataFrame, BatchSummary]:
    scores = scorer.score([Article(*row) for row in frame.select("title", "text").iter_rows()])
    found = scores.predictions
    answers = prediction_table(frame["article_id"], found).with_columns(
        true_label=frame["label"], model_id=pl.lit(scorer.model_id)
    )
    return answers, BatchSummary(
        rows=len(frame),
        fake=int((found.predicted_label[~found.abstained] == 1).sum()),
        abstained=int(found.abstained.sum()),
        out_of_distribution=int(found.out_of_distribution.sum()),
        prepared_otherwise=int((frame["article_id"] != pl.Series(scores.article_ids)).sum()),
        labelled=int(answers["true_label"].is_not_null().sum()),
        right=int((answers["true_label"] == answers["predicted_label"]).fill_null(False).sum()),
    )
