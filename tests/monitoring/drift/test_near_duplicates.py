"""Copies of one story are one article to the tests of drift."""

import numpy as np
import polars as pl
import pytest

from fakenews_assets.monitoring.drift.drift import without_near_duplicates
from fakenews_assets.monitoring.drift.features import article_features
from fakenews_assets.monitoring.drift.two_sample import column_distances
from fakenews_resources.news.sample import SampleSpec, generate


def _articles(rows: int, seed: int) -> pl.DataFrame:
    news = pl.concat(generate(SampleSpec(rows=rows, seed=seed))).filter(pl.col("title").str.len_chars() > 30)
    return news.select(
        "title",
        pl.lit("").alias("text"),
        article_id=pl.arange(pl.len()).cast(pl.String),
        probability=pl.lit(0.5),
    ).unique("title", maintain_order=True)


def _with_copies(articles: pl.DataFrame, stories: int, copies: int) -> pl.DataFrame:
    """Append near-duplicates of the first stories, each with another word at its end."""
    copied = [
        articles.head(stories).with_columns(
            pl.col("title") + f" {word}", article_id=pl.col("article_id") + f"-{word}"
        )
        for word in (f"update{number}" for number in range(copies))
    ]
    return pl.concat([articles, *copied])


def test_the_last_copy_of_a_story_stays() -> None:
    articles = without_near_duplicates(_articles(200, seed=1))
    with_copies = _with_copies(articles, stories=3, copies=2)

    left = without_near_duplicates(with_copies)
    assert left.height == articles.height
    assert left["article_id"].to_list()[-3:] == [f"{one}-update1" for one in articles["article_id"].head(3)]


@pytest.mark.compute
def test_a_window_of_many_copies_has_not_drifted() -> None:
    """Four rows in ten are copies of few stories. With them most windows would alarm."""
    pool = _articles(6000, seed=2)
    reference = article_features(without_near_duplicates(pool.head(1000)), with_text=False)
    generator = np.random.default_rng(0)

    def alarms(window: pl.DataFrame, seed: int) -> bool:
        found = column_distances(
            reference.to_numpy(),
            article_features(window, with_text=False).to_numpy(),
            permutations=199,
            level=0.05,
            seed=seed,
        )
        return bool((found.values > found.chance).any())

    as_sent, as_judged = [], []
    for seed in range(40):
        rows = 1000 + generator.choice(pool.height - 1000, 180, replace=False)
        window = _with_copies(pool[rows], stories=6, copies=20)
        as_sent.append(alarms(window, seed))
        as_judged.append(alarms(without_near_duplicates(window), seed))
    assert sum(as_sent) >= 20
    assert sum(as_judged) <= 5  # 40 draws of a chance of 0.05: more happen once in 70 times
