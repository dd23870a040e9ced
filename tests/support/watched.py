"""A graph with a champion, and a service's log beside it: fixtures for tests of what watches the two.

It is a plugin of pytest. What takes seconds to import is left to the functions, because the process that hands out
tests to workers needs none of it.
"""

import os
import shutil
import time as clock
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import polars as pl
import pytest
from rich.console import Console

from fakenews_assets.monitoring.log.prediction_log import PredictionLog
from fakenews_assets.monitoring.log.records import log_line, stamp
from fakenews_assets.registry.champion import ChampionRegistry
from fakenews_resources.news.sample import SampleSpec, generate
from fakenews_resources.request_ids import new_request_id
from fakenews_resources.storage.store import Store
from tests.support.shared import build_once

if TYPE_CHECKING:
    from fakenews_assets.cli.running import GraphRunner

REPOSITORY = Path(__file__).parents[2]
DAY = date(2026, 11, 20)


def sample_articles(rows: int, *, era: int = 0, seed: int = 50) -> pl.DataFrame:
    """Generated articles with a title: columns `title`, `text` and `label` (Int8, maybe null)."""
    frames = pl.concat(generate(SampleSpec(rows=rows + rows // 5 + 20, seed=seed, era=era)))
    usable = frames.drop_nulls("title").filter(pl.col("title").str.strip_chars() != "")
    label = pl.when(pl.col("label").is_in(["0", "1"])).then("label").cast(pl.Int8)
    return (
        usable.select("title", pl.col("text").fill_null(""), label)
        .unique("title", maintain_order=True)
        .head(rows)
    )


@dataclass(frozen=True)
class Watched:
    """A project folder with a champion."""

    root: Path

    @property
    def store(self) -> Store:
        return Store(self.root / ".fakenews")

    @property
    def champion(self) -> str:
        pointer = ChampionRegistry(self.store.bundles.root).champion()
        assert pointer is not None
        return pointer.bundle

    def answer(
        self,
        articles: pl.DataFrame,
        day: date = DAY,
        *,
        content: Literal["hash", "text"] = "text",
        endpoint: str = "/predict",
        model_id: str | None = None,
        together: bool = False,
    ) -> list[str]:
        """Log what the champion says of articles, from noon on or now, as the service does.

        Args:
            articles: with the columns `title` and `text`.
            day: of the log.
            content: of the log.
            endpoint: that was asked.
            model_id: of the bundle that answered; by default the champion's.
            together: whether all articles are rows of one request.

        Returns:
            Request ids, in the order of the articles.
        """
        from fakenews_assets.models.predictions import articles_of, prediction_records
        from fakenews_assets.registry.scorer import Scorer

        asked = articles_of(articles)
        scores = Scorer.open(self.store.bundles.root / self.champion).score(asked)
        ids = [new_request_id()] * len(asked) if together else [new_request_id() for _ in asked]
        noon = min(datetime.combine(day, time(12), UTC), datetime.now(UTC))
        log = PredictionLog(self.store.root / "service_log", now=lambda: noon)
        predictions = prediction_records(scores.article_ids, scores.predictions)
        log.append(
            "predictions",
            [
                log_line(
                    article,
                    prediction,
                    time=noon + timedelta(milliseconds=at),
                    request_id=request_id,
                    row=at + 1 if together else 1,
                    endpoint=endpoint,
                    model_id=model_id or self.champion,
                    latency_ms=5.0,
                    with_text=content == "text",
                )
                for at, (article, prediction, request_id) in enumerate(
                    zip(asked, predictions, ids, strict=True)
                )
            ],
        )
        log.close()
        return ids

    def say(self, ids: Sequence[str], labels: Sequence[int | None], day: date = DAY) -> None:
        """Log late labels, in the afternoon of a day."""
        moment = datetime.combine(day, time(16), UTC)
        log = PredictionLog(self.store.root / "service_log", now=lambda: moment)
        log.append(
            "feedback",
            [
                {"time": stamp(moment), "request_id": one, "row": 1, "true_label": label, "source": "test"}
                for one, label in zip(ids, labels, strict=True)
                if label is not None
            ],
        )
        log.close()


QUICK_EVALUATION = {"resamples": 100, "masked_rows": 100, "behaviour_cases": 20, "speed_seconds": 0.05}
"""Settings of `evaluation` for graphs whose scores no test looks at."""


@contextmanager
def timed_by_processor() -> Iterator[None]:
    """Let selections compare speeds by processor time, which tests that run beside this one do not change.

    By the clock on the wall, a busy machine may hide that the bag of words is faster than the encoder.
    """
    from fakenews_assets.selection import timing

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timing, "perf_counter", clock.process_time)
        yield


def train_champion(runner: "GraphRunner", encoder: Path) -> None:
    """Take a batch `b1` to a champion.

    The bag of words wins: an encoder of 24,000 parameters learns nothing from so few articles.
    """
    settings = {"encoder": {"name": str(encoder), "max_tokens": 64}, "max_tokens": 32, "epochs": 1}
    runner.add_batch("b1")
    # Style would take the linear model as long as so small an encoder takes.
    config = {"finetuned_bert": settings, "baseline_model": {"style": 0}, "evaluation": QUICK_EVALUATION}
    with timed_by_processor():
        runner.lifecycle("b1", "sample:rows=2500", config, variants=())


def train(root: Path) -> None:
    """Make a champion in a project folder."""
    from fakenews_assets.cli.running import GraphRunner
    from tests.support.models import build_tiny_bert

    shutil.copy(REPOSITORY / "dagster.yaml", root)
    tiny = build_tiny_bert(root / "encoder")
    before = Path.cwd()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(root))
        patch.chdir(root)
        with GraphRunner(Console(quiet=True)) as runner:
            train_champion(runner, tiny)
    assert Path.cwd() == before


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder whose graph has made a champion. Shared: copy it before you change it."""
    return build_once(tmp_path_factory, "trained", train)


@pytest.fixture
def watched(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watched:
    """A copy of the trained project, as working directory and DAGSTER_HOME of this test."""
    root = tmp_path / "project"
    shutil.copytree(trained, root)
    monkeypatch.chdir(root)
    monkeypatch.setenv("DAGSTER_HOME", str(root))
    assert os.environ["DAGSTER_HOME"] == str(root)
    return Watched(root)
