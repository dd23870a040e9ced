"""Thresholds turn ratings into labels, and a rating that changes makes stale what it labelled."""

import dagster as dg
import polars as pl
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from fakenews_assets.automation.staleness import is_stale
from fakenews_assets.data.ratings.labelling import LabelRule, label_publishers, require_one_rating
from fakenews_resources.storage.inventory import Inventory
from tests.support.rated import RatedCorpus

pytestmark = pytest.mark.runs

RATINGS = pl.DataFrame({"source": ["a", "b", "c", "d"], "rating": [0.499, 0.5, 0.649, 0.65]})


def test_publishers_between_the_thresholds_have_no_label() -> None:
    assert label_publishers(RATINGS, LabelRule()).rows() == [("a", 1), ("d", 0)]
    one_threshold = LabelRule(fake_below=0.65, real_from=0.65)
    assert label_publishers(RATINGS, one_threshold)["label"].to_list() == [1, 1, 1, 0]


def test_thresholds_that_overlap_are_refused() -> None:
    with pytest.raises(ValueError, match=r"fake_below 0\.7 lies above real_from 0\.65"):
        LabelRule(fake_below=0.7)


def test_other_ratings_make_stale_exactly_what_they_labelled(rated: RatedCorpus) -> None:
    store = rated.store
    assert stale(rated) == set()
    rated.rate("low.example,0.2", "high.example,0.9", "unknown.example,0.1")
    assert stale(rated) == {"publisher_labels/rated"}
    before = store.current("clean_news/rated").version
    rated.run("publisher_labels", "rated")
    assert stale(rated) == {"clean_news/rated"}
    rated.run("clean_news", "rated")
    assert store.current("clean_news/rated").version != before
    assert stale(rated) == set()


def test_a_batch_that_gets_labels_later_is_stale(rated: RatedCorpus) -> None:
    rated.run("publisher_labels", "plain")
    assert stale(rated) == {"clean_news/plain"}


def test_batches_of_different_ratings_do_not_train_together(rated: RatedCorpus) -> None:
    rated.run("publisher_labels", "plain")
    rated.run("clean_news", "plain")
    clean = {batch: rated.store.current(f"clean_news/{batch}") for batch in ("rated", "plain")}
    require_one_rating(rated.store, clean)
    rated.rate("low.example,0.2")
    rated.run("publisher_labels", "rated")
    rated.run("clean_news", "rated")
    clean["rated"] = rated.store.current("clean_news/rated")
    with pytest.raises(ValueError, match="Earlier ratings labelled plain"):
        require_one_rating(rated.store, clean)


def stale(rated: RatedCorpus) -> set[str]:
    """What the store calls stale of the two batches, which is what Dagster calls stale."""
    graph = rated.defs.resolve_asset_graph()
    resolver = CachingStaleStatusResolver(rated.instance, graph, LoadingContextForTest(rated.instance))
    inventory = Inventory(rated.store, rated.defs.get_repository_def(), rated.instance)
    ours, dagsters = set[str](), set[str]()
    for name in ("raw_news", "publisher_labels", "clean_news"):
        for batch in rated.store.partitions(name):
            key, asset = f"{name}/{batch}", graph.get(dg.AssetKey(name)).assets_def
            record = rated.store.current(key).record
            assert record is not None
            ours |= {key} if is_stale(asset, inventory, record) else set()
            status = resolver.get_status(asset.key, batch)
            dagsters |= {key} if status == StaleStatus.STALE else set()
    assert ours == dagsters
    return ours
