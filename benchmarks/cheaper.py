"""What the benchmarks of models that are cheaper than an encoder share: rows with their encoders, and which articles are timed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import polars as pl

from benchmarks.common import NewsSplits, default_news_path, finetuned
from benchmarks.publishers import (
    default_publishers_path,
    divide,
    load_publishers,
    report,
    train_on_few_publishers,
    with_other,
)
from fakenews_assets.models.classifier import Article
from fakenews_assets.models.predictions import articles_of
from fakenews_assets.training.settings import FinetuneSettings

HALF: Final = pl.col("cluster_id").hash(seed=0) % 2 == 0
"""One half of some validation articles."""
_TIMED: Final = 512


def titles_then_articles(news: Path | None, other: Path | None) -> Iterator[tuple[NewsSplits, Path]]:
    """The rows of two kinds of input, each with the encoder that `benchmarks.publishers` trains on them by default.

    Args:
        news: rows of many publishers.
        other: rows of another corpus, in WELFake's columns.

    Yields:
        Titles of few publishers; then articles of publishers of which a part is held out, which is `test`.
    """
    path = other or default_news_path()
    settings = FinetuneSettings(max_tokens=128, epochs=2, evaluations_per_epoch=1)
    yield train_on_few_publishers(path, settings)
    fold = next(divide(*with_other(*load_publishers(news or default_publishers_path()), path), 4))
    _, encoder = finetuned(fold.news, settings.model_copy(update={"seed": fold.number}), report)
    yield fold.news, encoder


def timed_articles(rows: pl.DataFrame) -> list[Article]:
    """The articles whose scoring is timed: some of the rows, drawn with a fixed seed."""
    return articles_of(rows.sample(min(_TIMED, len(rows)), seed=0))
