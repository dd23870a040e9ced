"""An article of the champion's corpus, and whatever holds its words."""

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from fakenews_assets.data.batch_checks import BatchLimits, check_batch
from fakenews_assets.data.cleaning.cleaning import CleaningLimits, clean_batch
from fakenews_assets.data.dedup.near_duplicates import NearDuplicateSettings, find_links
from fakenews_assets.data.splits.clusters import assign_clusters
from fakenews_assets.data.splits.splitting import CLUSTERING_FILE, SplitSettings, split_articles
from fakenews_assets.data.text.preparation import TextPreparation
from fakenews_assets.governance.audit.audit_log import AuditLog
from fakenews_assets.governance.audit.data import audit_data
from fakenews_assets.governance.audit.versions import Versions
from fakenews_assets.governance.erasure.finding import holders
from fakenews_assets.models.calibration import Calibration
from fakenews_assets.monitoring.log.records import UNKNOWN_CALLER
from fakenews_assets.registry.bundle import Manifest
from fakenews_resources.storage.artifact import Artifact
from fakenews_resources.storage.hashing import digest
from fakenews_resources.storage.store import Store
from fakenews_resources.storage.tombstones import Tombstones
from tests.support.watched import DAY, Watched


@dataclass(frozen=True)
class Subject:
    """An article to erase. Nothing else has its title."""

    article_id: str
    title: str
    text: str
    split: str

    def frame(self) -> pl.DataFrame:
        """As the service is asked: with its text, and by its title alone."""
        return pl.DataFrame({"title": [self.title, self.title], "text": [self.text, ""]})


def subject_of(store: Store, split: str, *, clustered: bool = False) -> Subject:
    """The first article of a split that is alone with its title; if asked for, one that gave its cluster the name."""
    articles = store.current("splits").scan(split).collect()
    everything = store.current("clean_news/b1").scan("articles").collect()
    alone = everything.filter(pl.len().over("title") == 1)["article_id"]
    size = pl.len().over("cluster_id")
    named = pl.col("cluster_id") == pl.col("article_id")
    found = articles.filter(
        (size > 1) & named if clustered else (size == 1) & (pl.col("text") != ""),
        pl.col("article_id").is_in(alone.implode()),
        pl.col("title").str.len_chars() > 30,
    ).row(0, named=True)
    return Subject(found["article_id"], found["title"], found["text"], split)


def log_record(article_id: str, title: str, text: str, request: str, time: str) -> dict[str, Any]:
    """A line of the service's log."""
    return {
        "time": time,
        "request_id": request,
        "row": 0,
        "endpoint": "/predict",
        "article_id": article_id,
        "probability": 0.25,
        "predicted_label": 0,
        "abstained": False,
        "out_of_distribution": False,
        "title_chars": len(title),
        "text_chars": len(text),
        "title": title,
        "text": text,
        "model_id": "m",
        "latency_ms": 5.0,
        "truncated": False,
        **UNKNOWN_CALLER._asdict(),
    }


def held_by(store: Store, title: str) -> list[str]:
    """Where a title stands, as paths within the store without versions."""
    return sorted({path.relative_to(store.root).parts[0] for path in holders(store.root, [title])})


def build_corpus(store: Store, name: str, rows: str) -> pl.DataFrame:
    """Store a batch `b1` as received and as cleaned, its clusters and its splits.

    Args:
        store: receives them.
        name: of the received file.
        rows: its content.

    Returns:
        The clusters.
    """
    raw, clean = store.draft(), store.draft()
    (raw.path / name).write_text(rows)
    file = {"file": name, "sha256": digest(raw.path / name), "rows": rows.count("\n")}
    raw.meta.update(
        files=[file],
        sha256=file["sha256"],
        mapping={},
        dates={},
        recognised={"as": "", "columns": {}, "labels": {}},
        source_uri=name,
    )
    received = store.commit("raw_news/b1", raw)
    summary = clean_batch(
        [received.path / name], "b1", clean.path, preparation=TextPreparation(), limits=CleaningLimits()
    )
    (clean.path / "summary.json").write_text(summary.model_dump_json())
    outcomes = check_batch(summary, clean.scan("articles"), None, BatchLimits())
    (clean.path / "checks.json").write_text(json.dumps([one.model_dump(mode="json") for one in outcomes]))
    clean.meta.update(received_at="2026-11-20", source_uri=name)
    batch = store.commit("clean_news/b1", clean)
    articles = batch.scan("articles")
    table = assign_clusters(articles, find_links(articles, NearDuplicateSettings()), ["b1"], SplitSettings())
    settings = (
        f'{NearDuplicateSettings().model_dump_json()[:-1]}, "splits": {SplitSettings().model_dump_json()}}}'
    )
    for key in ("article_clusters", "splits"):
        draft = store.draft()
        (draft.path / CLUSTERING_FILE).write_text(settings)
        draft.meta["previous"] = None
        if key == "article_clusters":
            table.write_parquet(draft.path / "clusters.parquet")
        else:
            splits = split_articles(articles, table)
            for split, lines in splits.splits.items():
                lines.collect().write_parquet(draft.path / f"{split}.parquet")
            splits.excluded.write_parquet(draft.path / "excluded.parquet")
        store.commit(key, draft, upstream={"clean_news/b1": batch.version})
    return table


def audit_corpus(store: Store, *batches: str) -> AuditLog:
    """Audit the current data of some batches; those of `build_corpus` if none are named."""
    received = [f"{asset}/{batch}" for batch in batches or ("b1",) for asset in ("raw_news", "clean_news")]
    readable: dict[str, Artifact] = {
        key: store.current(key) for key in (*received, "article_clusters", "splits")
    }
    manifest = Manifest(
        candidate="x",
        encoder=None,
        runtime="x",
        calibration=Calibration.identity(),
        data_versions={key: one.version for key, one in readable.items()},
        git_commit=None,
        package_versions={},
    )
    audit_log = AuditLog()
    audit_data(audit_log, manifest, Versions(readable, ledger=Tombstones(store).read()))
    return audit_log


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
