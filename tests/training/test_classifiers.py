"""Saved classifiers: one interface, exact round trips."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from fakenews_assets.training.baseline import BaselineClassifier, fit_baseline
from fakenews_assets.training.classifier import Article, Predictions, load_classifier
from fakenews_assets.training.settings import BaselineSettings
from fakenews_assets.training.torch_classifier import TorchClassifier
from tests.models import separable_articles


def articles_of(frame: pl.DataFrame) -> list[Article]:
    return [Article(title, text) for title, text in frame.select("title", "text").iter_rows()]


def test_torch_classifier_equals_one_article_at_a_time(tiny_classifier: Path) -> None:
    articles = [*articles_of(separable_articles(50, with_text=True)), Article("bank"), Article("")]
    tokenizer = AutoTokenizer.from_pretrained(tiny_classifier)
    model = AutoModelForSequenceClassification.from_pretrained(tiny_classifier).eval()
    expected = []
    with torch.inference_mode():
        for article in articles:
            pair = [article.title, article.text] if article.text else [article.title]
            inputs = tokenizer(*pair, truncation="only_second", max_length=64, return_tensors="pt")
            expected.append(model(**inputs).logits.softmax(-1)[0, 1].item())

    predictions = load_classifier(tiny_classifier).predict(articles)

    np.testing.assert_allclose(predictions.probability, expected, atol=1e-5)
    assert len(np.unique(predictions.probability.round(3))) > 30  # else order could not show
    assert predictions.probability.dtype == np.float32
    assert predictions.label.dtype == np.int8
    assert not predictions.abstained.any()


def test_batch_limits_change_nothing(tiny_classifier: Path) -> None:
    articles = articles_of(separable_articles(40, with_text=True))
    classifier = TorchClassifier.load(tiny_classifier)
    narrow = TorchClassifier(classifier.model, classifier.encoder, batch_rows=3, batch_tokens=40)

    np.testing.assert_allclose(
        narrow.predict(articles).probability, classifier.predict(articles).probability, atol=1e-5
    )


def test_bf16_stays_close(tiny_classifier: Path) -> None:
    articles = articles_of(separable_articles(20))
    exact = TorchClassifier.load(tiny_classifier).predict(articles).probability
    rough = TorchClassifier.load(tiny_classifier, precision="bf16").predict(articles).probability

    np.testing.assert_allclose(rough, exact, atol=0.1)
    assert (rough != exact).any()


def test_no_articles_is_a_valid_request(tiny_classifier: Path, tmp_path: Path) -> None:
    fit_baseline(separable_articles(60), BaselineSettings()).save(tmp_path)
    for folder in (tiny_classifier, tmp_path):
        assert len(load_classifier(folder).predict([])) == 0


def test_threshold_decides_the_label() -> None:
    probability = np.array([0.2, 0.5, 0.7])

    assert Predictions.from_probability(probability).label.tolist() == [0, 1, 1]
    assert Predictions.from_probability(probability, threshold=0.6).label.tolist() == [0, 0, 1]


@pytest.mark.parametrize("inputs", ["title", "title_and_text"])
def test_baseline_learns_and_survives_the_disk_to_the_bit(tmp_path: Path, inputs: str) -> None:
    train, test = (
        separable_articles(200, seed=1, with_text=True),
        separable_articles(60, seed=2, with_text=True),
    )
    fitted = fit_baseline(train, BaselineSettings.model_validate({"inputs": inputs}))
    fitted.save(tmp_path)

    loaded = load_classifier(tmp_path)

    assert isinstance(loaded, BaselineClassifier)
    before, after = (classifier.predict(articles_of(test)) for classifier in (fitted, loaded))
    np.testing.assert_array_equal(before.probability, after.probability)
    assert (after.label == test["label"].to_numpy()).mean() > 0.9
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".safetensors"}
    assert loaded.settings == fitted.settings


def test_baseline_reads_the_text_only_if_asked_to() -> None:
    train = separable_articles(200, with_text=True)
    swapped = train.select(pl.col("text").alias("title"), pl.col("title").alias("text"), "label")
    hidden = fit_baseline(swapped, BaselineSettings()).predict(articles_of(swapped))
    shown = fit_baseline(swapped, BaselineSettings(inputs="title_and_text")).predict(articles_of(swapped))

    assert (shown.label == swapped["label"].to_numpy()).mean() > 0.95
    plain = [Article(article.title) for article in articles_of(swapped)]
    alone = fit_baseline(swapped, BaselineSettings()).predict(plain)
    np.testing.assert_array_equal(hidden.probability, alone.probability)


def test_a_folder_without_a_classifier(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(FileNotFoundError, match=r"notes\.txt"):
        load_classifier(tmp_path)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        load_classifier(tmp_path / "missing")
