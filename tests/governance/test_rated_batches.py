"""A batch that ratings labelled is made again from the ratings as received, and retired with its labels."""

from pathlib import Path

from fakenews_assets.governance.pruning.retiring import retire_batch
from fakenews_assets.governance.reproduce.recipe import lay_out
from fakenews_assets.models.calibration import Calibration
from fakenews_assets.registry.bundle import Manifest
from fakenews_resources.storage.store import Store
from tests.support.rated import RatedCorpus

ORDER = ("source_ratings", "raw_news", "publisher_labels", "clean_news")


def test_the_ratings_are_copied_and_the_labels_made_again(rated: RatedCorpus, tmp_path: Path) -> None:
    keys = ("source_ratings", "publisher_labels/rated", "raw_news/rated", "clean_news/rated")
    manifest = Manifest(
        candidate="x",
        encoder=None,
        runtime="linear",
        calibration=Calibration.identity(),
        data_versions={key: rated.store.current(key).version for key in keys},
        git_commit=None,
        package_versions={},
    )
    scratch = Store(tmp_path / "scratch")
    steps = lay_out(rated.store, scratch, manifest, ORDER)
    assert [step.key for step in steps] == ["publisher_labels/rated", "clean_news/rated"]
    assert scratch.current("source_ratings").version == manifest.data_versions["source_ratings"]


def test_a_batch_is_retired_with_its_labels(rated: RatedCorpus) -> None:
    retire_batch(rated.store, "rated", by="test", reason="the licence ended")
    assert set(rated.store.all_keys()) == {"source_ratings", "raw_news/plain", "clean_news/plain"}
