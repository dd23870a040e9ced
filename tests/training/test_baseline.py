"""The baseline is tuned on the validation split."""

import json
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from scipy.special import expit

from fakenews_assets.data.splits.splitting import training_rows
from fakenews_assets.models.classifier import Article
from fakenews_assets.models.predictions import articles_of
from fakenews_assets.models.runtimes.linear import BaselineClassifier, fit_baseline
from fakenews_assets.models.settings import BaselineSettings, BaselineTuning
from fakenews_assets.training.assets import baseline_model
from fakenews_assets.training.baseline import TUNING_FILE, tune_baseline
from fakenews_resources.storage.artifact import Artifact
from fakenews_resources.storage.io_manager import ArtifactIOManager, Storage
from fakenews_resources.storage.store import Store

# A capital tells the label in training and the opposite in validation; a word tells it in both.
TRAIN = pl.DataFrame({"title": ["Report bank", "report hoax"] * 20, "text": [""] * 40, "label": [0, 1] * 20})
VAL = TRAIN.with_columns(title=pl.Series(["report BANK", "Report HOAX"] * 20))
GRID = BaselineTuning(inverse_regularization=(1.0, 10.0))


def test_the_best_on_validation_is_kept(tmp_path: Path) -> None:
    tuned = tune_baseline(TRAIN, VAL, GRID)

    assert tuned.trials.select("lowercase", "inverse_regularization").rows() == [
        (False, 1.0),
        (False, 10.0),
        (True, 1.0),
        (True, 10.0),
    ]
    best = tuned.trials.row(2, named=True)  # the first of two that make no error
    assert best["roc_auc"] == 1
    assert tuned.trials["roc_auc"][1] == 0
    assert tuned.classifier.settings == BaselineSettings(lowercase=True, inverse_regularization=1)
    tuned.save(tmp_path)
    assert json.loads((tmp_path / TUNING_FILE).read_text()) == tuned.trials.to_dicts()


def test_a_tuned_classifier_is_the_one_that_its_settings_give() -> None:
    tuned = tune_baseline(TRAIN, VAL, GRID)
    again = fit_baseline(TRAIN, tuned.classifier.settings)
    found, expected = (one.predict(articles_of(VAL)).probability for one in (tuned.classifier, again))
    assert found.tolist() == expected.tolist()


def test_one_label_cannot_be_tuned_on() -> None:
    with pytest.raises(ValueError, match="one label only"):
        tune_baseline(TRAIN, VAL.filter(pl.col("label") == 0), GRID)


def test_the_rows_that_the_asset_reads_tell_batches_apart(tmp_path: Path) -> None:
    """A word is of real articles in the large batch and of fakes in the small one."""
    store = Store(tmp_path)
    draft = store.draft()
    batches = [
        ("large", "vote", 0, 60),
        ("large", "rain", 1, 60),
        ("small", "vote", 1, 20),
        ("small", "rain", 0, 20),
    ]
    rows = pl.DataFrame(
        [(title, "", label, "wire", batch) for batch, title, label, count in batches for _ in range(count)],
        ["title", "text", "label", "source", "batch"],
        orient="row",
    )
    for split in ("train", "val"):
        rows.write_parquet(draft.path / f"{split}.parquet")
    train, _ = training_rows(store.commit("splits", draft, code_version="1", config=None, upstream={}))
    settings = BaselineSettings()
    assert settings.balance_batches

    words = [Article("vote"), Article("rain")]
    balanced, by_rows = (
        fit_baseline(train, settings.model_copy(update={"balance_batches": alike})).log_odds(words)
        for alike in (True, False)
    )

    assert abs(balanced[1] - balanced[0]) < 0.5 * abs(by_rows[1] - by_rows[0])


def _store(store: Store, key: str, upstream: dict[str, str], **tables: pl.DataFrame) -> Artifact:
    draft = store.draft()
    for name, table in tables.items():
        table.write_parquet(draft.path / f"{name}.parquet")
    return store.commit(key, draft, code_version="1", config=None, upstream=upstream)


def _rate(store: Store, middling: float) -> str:
    sources = ["worst.example", "middling.example", "unread.example"]
    return _store(
        store, "source_ratings", {}, ratings=pl.DataFrame({"source": sources, "rating": [0.0, middling, 1.0]})
    ).version


def _split(store: Store, upstream: dict[str, str]) -> None:
    rows = pl.DataFrame(
        [
            ("hoax", "", 1, "worst.example"),
            ("rumour", "", 1, "middling.example"),
            ("bank", "", 0, "best.example"),
        ]
        * 40,
        ["title", "text", "label", "source"],
        orient="row",
    ).with_columns(batch=pl.lit("a"))
    _store(store, "splits", upstream, train=rows, val=rows)


def _train(storage: Storage) -> Artifact | None:
    """The baseline; None: its asset failed."""
    upstream = [
        dg.AssetSpec(key, metadata={"dagster/io_manager_key": "io_manager"})
        for key in ("splits", "source_ratings")
    ]
    result = dg.materialize(
        [baseline_model, *upstream],
        selection=["baseline_model"],
        resources={"storage": storage, "io_manager": ArtifactIOManager(storage=storage)},
        instance=dg.DagsterInstance.ephemeral(),
        raise_on_error=False,
    )
    return storage.store.current("baseline_model") if result.success else None


def test_a_publisher_rated_halfway_is_less_fake_than_one_at_the_bottom(tmp_path: Path) -> None:
    """A word is used by a fake publisher of the worst rating, another by one that is nearly real."""
    storage = Storage(root=str(tmp_path))
    _split(storage.store, {})
    words = [Article("hoax"), Article("rumour"), Article("bank")]
    plain = _train(storage)
    _rate(storage.store, 0.5)
    rated = _train(storage)

    assert plain is not None
    assert rated is not None
    assert rated.record is not None
    assert set(rated.record.upstream) == {"splits", "source_ratings"}
    by_label, by_rating = (BaselineClassifier.load(one.path).log_odds(words) for one in (plain, rated))
    assert by_label[0] == pytest.approx(by_label[1], abs=0.01)
    assert by_rating[0] > by_rating[1] + 1 > by_rating[2] + 2


def test_labels_and_targets_come_from_one_table_of_ratings(tmp_path: Path) -> None:
    storage = Storage(root=str(tmp_path))
    ratings = _rate(storage.store, 0.2)
    _split(storage.store, {"source_ratings": ratings})
    assert _train(storage) is not None

    _rate(storage.store, 0.3)

    assert _train(storage) is None


def test_the_share_of_the_rating_is_a_setting() -> None:
    train = pl.DataFrame(
        {
            "title": ["vote"] * 100 + ["rain"] * 100,
            "text": [""] * 200,
            "label": [0] * 100 + [1] * 100,
            "rating": [0.7] * 100 + [None] * 100,
        },
        schema_overrides={"label": pl.Int8},
    )
    vote, rain = Article("vote"), Article("rain")
    strict, half, whole = (
        expit(fit_baseline(train, BaselineSettings(rating_share=share)).log_odds([vote, rain]))
        for share in (0, 0.5, 1)
    )
    assert strict[0] < half[0] < whole[0] < 0.35
    assert strict == pytest.approx(
        expit(fit_baseline(train.drop("rating"), BaselineSettings()).log_odds([vote, rain]))
    )
