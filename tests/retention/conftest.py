"""An article of the champion's corpus, and whatever holds its words."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from fakenews_assets.retention.finding import holders
from fakenews_resources.store import Store
from tests.watched import DAY, Watched


@dataclass(frozen=True)
class Subject:
    """An article to erase. Nothing else has its title."""

    article_id: str
    title: str
    text: str
    side: str

    def frame(self) -> pl.DataFrame:
        """As the service is asked: with its text, and by its title alone."""
        return pl.DataFrame({"title": [self.title, self.title], "text": [self.text, ""]})


def subject_of(store: Store, side: str, *, clustered: bool = False) -> Subject:
    """The first article of a side that is alone with its title; if asked for, one that gave its cluster the name."""
    articles = store.current("splits").scan(side).collect()
    everything = store.current("clean_news/b1").scan("articles").collect()
    alone = everything.filter(pl.len().over("title") == 1)["article_id"]
    size = pl.len().over("cluster_id")
    named = pl.col("cluster_id") == pl.col("article_id")
    found = articles.filter(
        (size > 1) & named if clustered else (size == 1) & (pl.col("text") != ""),
        pl.col("article_id").is_in(alone.implode()),
        pl.col("title").str.len_chars() > 30,
    ).row(0, named=True)
    return Subject(found["article_id"], found["title"], found["text"], side)


def held_by(store: Store, title: str) -> list[str]:
    """Where a title stands, as paths within the store without versions."""
    return sorted({path.relative_to(store.root).parts[0] for path in holders(store.root, [title])})


@pytest.fixture
def store(watched: Watched) -> Store:
    return watched.store


@pytest.fixture
def service_log(store: Store) -> Path:
    return store.root / "service_log"


@pytest.fixture
def asked(watched: Watched) -> Subject:
    """A train article that the service was asked about: on a day that is over, and today."""
    subject = subject_of(watched.store, "train")
    for day in (DAY, date(2026, 11, 21)):
        watched.answer(subject.frame(), day)
    return subject
