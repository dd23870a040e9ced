"""The baseline is tuned on the validation split."""

import json
from pathlib import Path

import polars as pl
import pytest

from fakenews_assets.data.splits.splitting import training_rows
from fakenews_assets.models.classifier import Article
from fakenews_assets.models.predictions import articles_of
from fakenews_assets.models.runtimes.linear import fit_baseline
from fakenews_assets.models.settings import BaselineSettings, BaselineTuning
from fakenews_assets.training.baseline import TUNING_FILE, tune_baseline
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
