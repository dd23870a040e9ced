"""Chooses test articles to try the model on: some that it gets right, one that it gets wrong, one that it leaves open."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import polars as pl

from fakenews_assets.models.classifier import Article, Predictions
from fakenews_assets.models.predictions import articles_of

_TRIED: Final = 40
"""Most articles that are predicted for it."""
_AT_ONCE: Final = 2
"""So few that other requests hardly wait."""
_MOST_CHARS: Final = 6000
_WANTED: Final = {("right", 0): 2, ("right", 1): 2, ("unsure", None): 1, ("wrong", None): 1}


@dataclass(frozen=True, slots=True)
class Example:
    """A test article with its label, and the model's answer to it."""

    title: str
    text: str
    label: int
    source: str | None
    published: date | None
    predictions: Predictions
    """Of this article alone."""


def candidates(files: list[Path]) -> pl.DataFrame:
    """Test articles in an order that says nothing about them: by their hash.

    Args:
        files: of the test split.
    """
    return (
        pl.scan_parquet(files)
        .filter(pl.col("title") != "", pl.col("text").fill_null("").str.len_chars() <= _MOST_CHARS)
        .sort("article_id")
        .head(_TRIED)
        .select(
            "title",
            pl.col("text").fill_null(""),
            "label",
            "source",
            published=pl.col("published_at").dt.date(),
        )
        .collect()
    )


async def choose(
    table: pl.DataFrame, predict: Callable[[Sequence[Article]], Awaitable[Predictions]]
) -> list[Example]:
    """The first ones of each kind.

    Args:
        table: of `candidates`.
        predict: asks the model.
    """
    wanted, chosen = dict(_WANTED), list[Example]()
    for part in table.iter_slices(_AT_ONCE):
        if not any(wanted.values()):
            break
        predictions = await predict(articles_of(part))
        for at, row in enumerate(part.iter_rows(named=True)):
            kind = _kind(row, predictions, at)
            if wanted[kind]:
                wanted[kind] -= 1
                chosen.append(Example(**row, predictions=predictions.part(slice(at, at + 1))))
    return chosen


def _kind(row: dict[str, Any], predictions: Predictions, at: int) -> tuple[str, int | None]:
    if predictions.abstained[at]:
        return "unsure", None
    right = int(predictions.predicted_label[at]) == row["label"]
    return ("right", row["label"]) if right else ("wrong", None)
