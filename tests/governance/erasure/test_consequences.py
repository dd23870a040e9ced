"""Near-duplicates that an erased article held together: what no longer follows is named, and only that is excused."""

from pathlib import Path

import polars as pl
import pytest

from fakenews_assets.data.schema import article_id
from fakenews_assets.data.splits.clusters import CONTRADICTION
from fakenews_assets.governance.audit.audit_log import AuditLog
from fakenews_assets.governance.erasure.erasure import erase
from fakenews_resources.storage.store import Store
from tests.governance.erasure.conftest import audit_corpus, build_corpus

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
    """A batch, its clusters and its splits."""
    store = Store(tmp_path / "store")
    table = build_corpus(store, "news.csv", ROWS)
    assert table["excluded"].to_list() == [CONTRADICTION, CONTRADICTION, None]
    return store


def faults(audit_log: AuditLog) -> list[tuple[str, str]]:
    return [(check.name, check.fault) for check in audit_log.checks if not check.ok]


def test_what_no_longer_follows_is_named_and_excused(corpus: Store, tmp_path: Path) -> None:
    assert faults(audit_corpus(corpus)) == []
    tombstone = erase(corpus, tmp_path / "log", ERASED, by="x", reason="y").tombstone
    # Nothing contradicts the other one any more.
    both = tuple(sorted((ERASED, LEFT)))
    assert tombstone.unsettled == {corpus.current("article_clusters").version: both}
    audit_log = audit_corpus(corpus)
    assert faults(audit_log) == []
    assert "The clusters of 2 articles that an erased article linked." in audit_log.not_checked


def test_nothing_else_is_excused(corpus: Store, tmp_path: Path) -> None:
    erase(corpus, tmp_path / "log", ERASED, by="x", reason="y")
    file = corpus.current("article_clusters").path / "clusters.parquet"
    elsewhere = pl.when(pl.col("excluded").is_null()).then(pl.lit("f" * 32)).otherwise("cluster_id")
    pl.read_parquet(file).with_columns(cluster_id=elsewhere).write_parquet(file)
    (found,) = [fault for name, fault in faults(audit_corpus(corpus)) if name == "article_clusters"]
    assert found.startswith("cluster_id differs in 1 rows, first in row 3")
