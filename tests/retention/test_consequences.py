"""Near-duplicates that an erased article held together: what no longer follows is named, and only that is excused."""

import json
from pathlib import Path

import polars as pl
import pytest

from fakenews_assets.audit.data import audit_data
from fakenews_assets.audit.trail import Trail
from fakenews_assets.audit.versions import Versions
from fakenews_assets.data.batch_checks import BatchLimits, check_batch
from fakenews_assets.data.cleaning import CleaningLimits, clean_batch
from fakenews_assets.data.clustering import CONTRADICTION, assign_clusters
from fakenews_assets.data.near_duplicates import NearDuplicateConfig, find_links
from fakenews_assets.data.preparation import TextPreparation
from fakenews_assets.data.schema import article_id
from fakenews_assets.data.splitting import CLUSTERING_FILE, SplitConfig, split
from fakenews_assets.evaluation.calibration import Calibration
from fakenews_assets.retention.erasure import erase
from fakenews_assets.selection.bundle import Manifest
from fakenews_resources.store import Artefact, Store
from fakenews_resources.tombstones import Tombstones

ERASED = article_id("Senate passes the new budget", "one")
LEFT = article_id("Senate passes the new budget", "two")
ROWS = (
    "title,text,label\n"
    "Senate passes the new budget,one,0\n"
    "Senate passes the new budget,two,1\n"  # of two labels for one title, neither counts
    "Something else happened in the city,three,1\n"
)


@pytest.fixture
def corpus(tmp_path: Path) -> Store:
    """A batch, its clusters and its sides."""
    store = Store(tmp_path / "store")
    raw, clean = store.draft(), store.draft()
    (raw.path / "news.csv").write_text(ROWS)
    raw.meta["file"] = "news.csv"
    received = store.commit("raw_news/b1", raw)
    limits = CleaningLimits()
    raw_file = received.path / "news.csv"
    summary = clean_batch(raw_file, "b1", clean.path, preparation=TextPreparation(), limits=limits)
    (clean.path / "summary.json").write_text(summary.model_dump_json())
    outcomes = check_batch(summary, clean.scan("articles"), None, BatchLimits())
    (clean.path / "checks.json").write_text(json.dumps([one.model_dump(mode="json") for one in outcomes]))
    clean.meta.update(received_at="2026-11-20", source_uri="news.csv")
    batch = store.commit("clean_news/b1", clean)
    articles = batch.scan("articles")
    table = assign_clusters(articles, find_links(articles, NearDuplicateConfig()), ["b1"], SplitConfig())
    assert table["excluded"].to_list() == [CONTRADICTION, CONTRADICTION, None]
    settings = f'{NearDuplicateConfig().model_dump_json()[:-1]}, "sides": {SplitConfig().model_dump_json()}}}'
    for key in ("article_clusters", "splits"):
        draft = store.draft()
        (draft.path / CLUSTERING_FILE).write_text(settings)
        draft.meta["previous"] = None
        if key == "article_clusters":
            table.write_parquet(draft.path / "clusters.parquet")
        else:
            sides = split(articles, table, SplitConfig())
            for side, rows in sides.sides.items():
                rows.collect().write_parquet(draft.path / f"{side}.parquet")
            sides.excluded.write_parquet(draft.path / "excluded.parquet")
        store.commit(key, draft, upstream={"clean_news/b1": batch.version})
    return store


def audit(store: Store) -> Trail:
    readable: dict[str, Artefact] = {
        key: store.current(key) for key in ("clean_news/b1", "article_clusters", "splits")
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
    trail = Trail()
    audit_data(trail, manifest, Versions(readable, ledger=Tombstones(store).read()))
    return trail


def faults(trail: Trail) -> list[tuple[str, str]]:
    return [(link.name, link.fault) for link in trail.links if not link.ok]


def test_what_no_longer_follows_is_named_and_excused(corpus: Store, tmp_path: Path) -> None:
    assert faults(audit(corpus)) == []
    tombstone = erase(corpus, tmp_path / "log", ERASED, by="x", reason="y").tombstone
    # Nothing contradicts the other one any more.
    both = tuple(sorted((ERASED, LEFT)))
    assert tombstone.unsettled == {corpus.current("article_clusters").version: both}
    trail = audit(corpus)
    assert faults(trail) == []
    assert "The clusters of 2 articles that an erased article linked." in trail.not_checked


def test_nothing_else_is_excused(corpus: Store, tmp_path: Path) -> None:
    erase(corpus, tmp_path / "log", ERASED, by="x", reason="y")
    file = corpus.current("article_clusters").path / "clusters.parquet"
    elsewhere = pl.when(pl.col("excluded").is_null()).then(pl.lit("f" * 32)).otherwise("cluster_id")
    pl.read_parquet(file).with_columns(cluster_id=elsewhere).write_parquet(file)
    (found,) = [fault for name, fault in faults(audit(corpus)) if name == "article_clusters"]
    assert found.startswith("cluster_id differs in 1 rows, first in row 2")
