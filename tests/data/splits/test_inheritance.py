"""Batches leave and come back, and every article that stays keeps its split: in the graph, and when it is audited."""

import shutil
from collections.abc import Iterable
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from fakenews_assets.data.schema import article_id
from fakenews_assets.data.splits.splitting import SPLITS, SplitSettings, split_of
from fakenews_assets.governance.audit.data import CLEAN, clusters_anew
from fakenews_assets.governance.pruning.retiring import retire_batch
from fakenews_resources.storage.artifact import Artifact
from fakenews_resources.storage.tombstones import Tombstones
from tests.governance.erasure.conftest import audit_corpus
from tests.support.rated import RatedCorpus

pytestmark = pytest.mark.runs

TITLE = "Council votes on the new bridge over the river"
"""Articles of one title are near-duplicates."""


def text_in(split: str, number: int = 0) -> str:
    """A text with which the article of `TITLE` would found a cluster in a split."""
    texts = pl.Series([f"text {one}" for one in range(200)])
    ids = pl.Series([article_id(TITLE, one) for one in texts])
    return texts.filter(split_of(ids, SplitSettings()) == split)[number]


class Corpus(RatedCorpus):
    """The data assets on an instance and a store of their own."""

    def ingest(self, batch: str, *articles: tuple[str, str, str]) -> None:
        """Register, receive and clean a batch of articles: title, text and publisher of each."""
        file = self.root / f"{batch}.csv"
        rows = [(*article, label) for label, article in enumerate(articles)]
        pl.DataFrame(rows, ["title", "text", "source", "number"], orient="row").with_columns(
            label=pl.when(pl.col("title") == TITLE).then(0).otherwise(pl.col("number") % 2)
        ).write_csv(file)
        self.register(batch)
        self.run("raw_news", batch, uri=str(file))
        self.run("clean_news", batch)

    def register(self, batch: str) -> None:
        self.instance.add_dynamic_partitions("news_batches", [batch])

    def delete(self, batch: str) -> None:
        self.instance.delete_dynamic_partition("news_batches", batch)

    def retire(self, batch: str) -> None:
        retire_batch(self.store, batch, by="x", reason="y")
        self.delete(batch)

    def split(self) -> dict[str, str]:
        """Cluster and split what is registered, compute the clusters anew as an audit does. Returns: split of each article."""
        self.run("article_clusters")
        self.run("splits")
        self.audit()
        splits = self.store.current("splits")
        assert splits.record is not None
        assert splits.record.upstream["article_clusters"] == self.store.current("article_clusters").version
        return dict(_placed(splits))

    def audit(self) -> None:
        """Compute all clusters anew whose batches are still stored."""
        for version in self.store.versions("article_clusters"):
            stored = self.store.get("article_clusters", version)
            assert stored.record is not None
            used = {key: one for key, one in stored.record.upstream.items() if key.startswith(CLEAN)}
            if all(one in self.store.versions(key) for key, one in used.items()):
                clean = {key.removeprefix(CLEAN): self.store.get(key, one) for key, one in used.items()}
                anew = clusters_anew(clean, stored, Tombstones(self.store).sound())
                assert_frame_equal(anew, stored.scan("clusters").collect())


def _placed(splits: Artifact) -> Iterable[tuple[str, str]]:
    for split in SPLITS:
        for article in splits.scan(split).collect()["article_id"]:
            yield article, split


def near_duplicate(split: str, number: int = 0) -> tuple[str, str, str]:
    return TITLE, text_in(split, number), "wire.example"


def id_of(article: tuple[str, str, str]) -> str:
    return article_id(*article[:2])


FOUNDER, STAYS, OTHER = near_duplicate("train"), near_duplicate("test"), near_duplicate("val")
FERRY = ("Ferry to the island is late again", "", "wire.example")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Root of a corpus: `b1` founds a cluster in `train`, and `b2` a near-duplicate that would found one in `test`."""
    root = tmp_path_factory.mktemp("prepared")
    corpus = Corpus(root)
    corpus.ingest("b1", FOUNDER, FERRY)
    corpus.ingest("b2", STAYS, ("Museum opens a hall of old maps", "", "wire.example"))
    before = corpus.split()
    assert before[id_of(FOUNDER)] == before[id_of(STAYS)] == "train"
    return root


@pytest.fixture
def corpus(prepared: Path, tmp_path: Path) -> Corpus:
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    corpus = Corpus(tmp_path)
    for batch in ("b1", "b2"):
        corpus.register(batch)
    return corpus


@pytest.mark.parametrize("leave", [Corpus.delete, Corpus.retire])
def test_a_batch_is_taken_out(corpus: Corpus, leave) -> None:
    leave(corpus, "b1")
    assert corpus.split()[id_of(STAYS)] == "train"
    # What arrives later joins the cluster where it is.
    corpus.ingest("b3", OTHER)
    assert corpus.split()[id_of(OTHER)] == "train"
    audit_log = audit_corpus(corpus.store, "b2", "b3")
    assert [check.fault for check in audit_log.checks if not check.ok] == []
    assert any(note.startswith("The splits in which 1 articles were") for note in audit_log.not_checked)


def test_a_batch_is_deleted_and_registered_again(corpus: Corpus) -> None:
    before = corpus.split()
    corpus.delete("b1")
    corpus.split()
    corpus.register("b1")
    assert corpus.split() == before


def test_a_batch_comes_back_without_the_one_that_founded_its_cluster(corpus: Corpus) -> None:
    corpus.ingest("b3", OTHER)
    before = corpus.split()
    corpus.delete("b2")
    corpus.split()
    corpus.retire("b1")
    corpus.split()
    corpus.register("b2")
    gone = {id_of(FOUNDER), id_of(FERRY)}
    assert corpus.split() == {article: split for article, split in before.items() if article not in gone}


@pytest.mark.parametrize("between", [True, False])
def test_a_batch_is_retired_and_ingested_again(corpus: Corpus, between: bool) -> None:
    before = corpus.split()
    corpus.retire("b1")
    if between:
        corpus.split()
    corpus.ingest("b1", FOUNDER, FERRY)
    assert corpus.split() == before


def test_what_arrived_while_a_batch_was_out_stays_or_is_left_out_but_never_moves(corpus: Corpus) -> None:
    for batch in ("b1", "b2"):
        corpus.delete(batch)
    corpus.ingest("b3", OTHER, FERRY)
    assert corpus.split()[id_of(OTHER)] == "val"
    corpus.register("b1")
    after = corpus.split()
    assert after[id_of(FOUNDER)] == "train"
    assert id_of(OTHER) not in after  # else a near-duplicate of a training article would be in `val`


HELD_FOR_TEST = "city-5.example"


def test_a_publisher_stays_held_out_although_it_is_a_larger_part_of_what_is_left(tmp_path: Path) -> None:
    def articles(batch: str, count: int, source: str) -> list[tuple[str, str, str]]:
        words = ("council", "bridge", "river", "harbour")
        return [
            (" ".join(f"{word}-{batch}{source[0]}{n}" for word in words), "", source) for n in range(count)
        ]

    corpus = Corpus(tmp_path)
    corpus.ingest("b1", *articles("b1", 60, "wire.example"))
    corpus.ingest("b2", *articles("b2", 4, HELD_FOR_TEST), *articles("b2", 40, "wire.example"))
    before = corpus.split()
    held_out = {id_of(one) for one in articles("b2", 4, HELD_FOR_TEST)}
    assert {before[one] for one in held_out} == {"test"}
    corpus.delete("b1")
    left = corpus.split()
    assert left == {article: before[article] for article in left}
    assert left.keys() > held_out
    # Its later articles are held out too.
    corpus.ingest("b3", *articles("b3", 3, HELD_FOR_TEST))
    assert {corpus.split()[id_of(one)] for one in articles("b3", 3, HELD_FOR_TEST)} == {"test"}
    corpus.register("b1")
    after = corpus.split()
    assert {article: after[article] for article in before} == before
