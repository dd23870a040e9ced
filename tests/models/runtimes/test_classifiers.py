"""Saved classifiers: one interface, exact round trips."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import euclidean_distances
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

from fakenews_assets.models.classifier import Article, Embedder, OnePassEmbedder, Predictions
from fakenews_assets.models.runtimes.linear import BaselineClassifier, fit_baseline
from fakenews_assets.models.runtimes.loading import load_classifier
from fakenews_assets.models.runtimes.torch import TorchClassifier
from fakenews_assets.models.settings import BaselineSettings
from tests.support.models import separable_articles


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
    assert predictions.predicted_label.dtype == np.int8
    assert not predictions.abstained.any()


def test_an_embedding_is_the_mean_over_the_tokens_of_one_article(tiny_classifier: Path) -> None:
    articles = [*articles_of(separable_articles(50)), Article("bank"), Article("")]  # of 2 to 14 tokens
    tokenizer = AutoTokenizer.from_pretrained(tiny_classifier)
    model = AutoModel.from_pretrained(tiny_classifier).eval()
    with torch.inference_mode():
        expected = [
            model(**tokenizer(article.title, return_tensors="pt")).last_hidden_state[0].mean(0).numpy()
            for article in articles
        ]

    embeddings = TorchClassifier.load(tiny_classifier).embed(articles)

    np.testing.assert_allclose(embeddings, expected, atol=1e-5)
    assert embeddings.dtype == np.float32
    assert len(np.unique(embeddings.round(3), axis=0)) == len(articles)  # else order could not show


def test_one_pass_says_what_two_say(tiny_classifier: Path) -> None:
    articles = [*articles_of(separable_articles(50, with_text=True)), Article("bank"), Article("")]
    classifier = load_classifier(tiny_classifier)
    assert isinstance(classifier, OnePassEmbedder)
    passes: list[int] = []
    assert isinstance(classifier, TorchClassifier)
    classifier.model.base_model.register_forward_hook(lambda *_: passes.append(1))
    predictions, embeddings = classifier.predict_and_embed(articles)
    one_pass = len(passes)

    np.testing.assert_allclose(predictions.probability, classifier.predict(articles).probability, atol=1e-6)
    assert len(passes) == 2 * one_pass
    np.testing.assert_allclose(embeddings, classifier.embed(articles), atol=1e-6)
    assert (len(embeddings), embeddings.dtype) == (len(articles), np.float32)
    nothing, nowhere = classifier.predict_and_embed([])
    assert (len(nothing), nowhere.shape) == (0, (0, 0))


def test_batch_limits_change_nothing(tiny_classifier: Path) -> None:
    articles = articles_of(separable_articles(40, with_text=True))
    classifier = TorchClassifier.load(tiny_classifier)
    narrow = TorchClassifier(classifier.model, classifier.encoder, batch_rows=3, batch_tokens=40)

    np.testing.assert_allclose(
        narrow.predict(articles).probability, classifier.predict(articles).probability, atol=1e-5
    )
    np.testing.assert_allclose(narrow.embed(articles), classifier.embed(articles), atol=1e-5)


def test_bf16_stays_close(tiny_classifier: Path) -> None:
    articles = articles_of(separable_articles(20))
    exact = TorchClassifier.load(tiny_classifier).predict(articles).probability
    rough = TorchClassifier.load(tiny_classifier, precision="bf16").predict(articles).probability

    np.testing.assert_allclose(rough, exact, atol=0.1)
    assert (rough != exact).any()


def test_no_articles_is_a_valid_request(tiny_classifier: Path, tmp_path: Path) -> None:
    fit_baseline(separable_articles(60), BaselineSettings()).save(tmp_path)
    for folder in (tiny_classifier, tmp_path):
        classifier = load_classifier(folder)
        assert len(classifier.predict([])) == 0
        assert isinstance(classifier, Embedder)
        assert classifier.embed([]).shape == (0, 0)


def test_a_bag_of_words_embeds_in_a_pass_of_its_own() -> None:
    assert not isinstance(fit_baseline(separable_articles(60), BaselineSettings()), OnePassEmbedder)


def test_a_reason_for_each_abstention_and_parts_of_answers() -> None:
    out_of_distribution = np.array([False, False, True, True])
    answers = Predictions(
        probability=np.array([0.1, 0.5, 0.9, 0.5], np.float32),
        predicted_label=np.array([0, 1, 1, 1], np.int8),
        abstained=np.array([False, True, True, True]),
        out_of_distribution=out_of_distribution,
        truncated=np.array([False, True, False, True]),
    )
    reasons = [None, "uncertain", "out_of_distribution", "out_of_distribution"]
    assert [answers.abstain_reason(row) for row in range(4)] == reasons
    part = answers.part(slice(1, 3))
    assert [part.abstain_reason(row) for row in range(len(part))] == reasons[1:3]
    assert part.predicted_label.tolist() == [1, 1]
    assert [part.is_truncated(row) for row in range(2)] == [True, False]
    plain = Predictions.from_probability(np.array([0.5, 0.5]))
    both = Predictions.joined([plain, part])
    assert [both.is_truncated(row) for row in range(4)] == [False, False, True, False]


def test_a_bag_of_words_says_what_it_leaves_out() -> None:
    baseline = fit_baseline(separable_articles(60), BaselineSettings(max_words=3))
    found = baseline.predict(
        [Article("a title of five words", "one two three"), Article("x", "one two three four")]
    )
    assert [found.is_truncated(row) for row in range(2)] == [False, True]


def test_a_bag_of_words_reads_no_endless_word() -> None:
    baseline = fit_baseline(separable_articles(60), BaselineSettings(max_words=3))
    found = baseline.predict([Article("x", "!" * length) for length in (150, 150_000)])
    assert found.probability[0] == found.probability[1]
    assert [found.is_truncated(row) for row in range(2)] == [False, True]


def test_threshold_decides_the_label() -> None:
    probability = np.array([0.2, 0.5, 0.7])

    assert Predictions.from_probability(probability).predicted_label.tolist() == [0, 1, 1]
    assert Predictions.from_probability(probability, threshold=0.6).predicted_label.tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    "changes",
    [
        {"inputs": "title"},
        {"lowercase": True},
        {"terms": "words"},
        {"terms": "characters", "lowercase": True},
        {"max_words": 1, "longest_run": 1},
    ],
)
def test_baseline_learns_and_survives_the_disk_to_the_bit(tmp_path: Path, changes: dict[str, object]) -> None:
    train, test = (
        separable_articles(200, seed=1, with_text=True),
        separable_articles(60, seed=2, with_text=True),
    )
    fitted = fit_baseline(train, BaselineSettings.model_validate(changes))
    fitted.save(tmp_path)

    loaded = load_classifier(tmp_path)

    assert isinstance(loaded, BaselineClassifier)
    before, after = (classifier.predict(articles_of(test)) for classifier in (fitted, loaded))
    np.testing.assert_array_equal(before.probability, after.probability)
    assert (after.predicted_label == test["label"].to_numpy()).mean() > 0.9
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".safetensors"}
    assert loaded.settings == fitted.settings


def test_distances_of_baseline_embeddings_are_those_of_its_features(tmp_path: Path) -> None:
    train = separable_articles(400, with_text=True)
    classifier = fit_baseline(train, BaselineSettings(terms="words", lowercase=True))
    article, *others = articles_of(train)[:100]

    embeddings = classifier.embed([article, *others, article])

    classifier.save(tmp_path)
    np.testing.assert_array_equal(
        BaselineClassifier.load(tmp_path).embed([article, *others, article]), embeddings
    )
    assert embeddings.shape == (101, 256)
    assert embeddings.dtype == np.float32
    np.testing.assert_array_equal(embeddings[0], embeddings[-1])
    features = TfidfVectorizer(
        ngram_range=(1, 2), sublinear_tf=True, min_df=classifier.settings.min_articles
    ).fit([f"{title}\n{text}" for title, text, _ in train.iter_rows()])
    rows = features.transform([f"{each.title}\n{each.text}" for each in (article, *others)])
    kept = euclidean_distances(embeddings[:-1]) / np.maximum(euclidean_distances(rows), 1e-9)
    assert np.abs(kept[~np.eye(100, dtype=bool)] - 1).max() < 0.3


def test_baseline_reads_the_text_only_if_asked_to() -> None:
    train = separable_articles(200, with_text=True)
    swapped = train.select(pl.col("text").alias("title"), pl.col("title").alias("text"), "label")
    hidden = fit_baseline(swapped, BaselineSettings(inputs="title")).predict(articles_of(swapped))
    shown = fit_baseline(swapped, BaselineSettings()).predict(articles_of(swapped))

    assert (shown.predicted_label == swapped["label"].to_numpy()).mean() > 0.95
    plain = [Article(article.title) for article in articles_of(swapped)]
    alone = fit_baseline(swapped, BaselineSettings(inputs="title")).predict(plain)
    np.testing.assert_array_equal(hidden.probability, alone.probability)


@pytest.mark.parametrize(
    ("changes", "real", "fake"),
    [
        ({}, "Bank talks", "BANK TALKS"),
        ({}, "bank talks", "bank talks!"),
        ({"lowercase": True}, "bank talks", "Bank talks!"),
        ({"terms": "characters"}, "talked", "talking"),
    ],
)
def test_baseline_sees_case_signs_and_endings(changes: dict[str, object], real: str, fake: str) -> None:
    train = pl.DataFrame({"title": [real, fake] * 10, "text": [""] * 20, "label": [0, 1] * 10})
    found = fit_baseline(train, BaselineSettings.model_validate(changes)).predict(articles_of(train))
    assert found.predicted_label.tolist() == train["label"].to_list()


def test_baseline_ignores_case_if_asked_to_and_what_follows_the_first_words() -> None:
    train = separable_articles(100, with_text=True)
    classifier = fit_baseline(train, BaselineSettings(lowercase=True, max_words=3))
    loud, long = Article("THE HOAX", "One two three"), Article("the hoax", "one\ntwo three hoax hoax")
    probability = classifier.predict([loud, long]).probability
    assert probability[0] == probability[1]


def test_a_small_batch_counts_as_much_as_a_large_one() -> None:
    """A word is of fakes in the small batch, and of real articles a little more often in the large one."""
    large = pl.DataFrame(
        {
            "title": ["vote"] * 110 + ["rain"] * 90 + ["vote"] * 80 + ["rain"] * 120,
            "label": [0] * 200 + [1] * 200,
        }
    )
    small = pl.DataFrame({"title": ["rain"] * 40 + ["vote"] * 40, "label": [0] * 40 + [1] * 40})
    train = pl.concat([large.with_columns(batch=pl.lit("large")), small.with_columns(batch=pl.lit("small"))])
    train = train.with_columns(text=pl.lit("")).cast({"label": pl.Int8})
    vote, rain = Article("vote"), Article("rain")
    by_rows, balanced = (
        fit_baseline(train, BaselineSettings(balance_batches=alike)).log_odds([vote, rain])
        for alike in (False, True)
    )
    one_batch = train.with_columns(batch=pl.lit("both"))
    together = fit_baseline(one_batch, BaselineSettings()).log_odds([vote, rain])

    assert by_rows[0] - by_rows[1] == pytest.approx(together[0] - together[1])
    assert balanced[0] - balanced[1] > by_rows[0] - by_rows[1] + 0.5


def test_weights_leave_the_share_of_fakes() -> None:
    """One fake in ten in one batch, as many as real ones in another."""
    train = pl.DataFrame(
        {
            "title": ["vote"] * 1000,
            "text": [""] * 1000,
            "label": [0] * 720 + [1] * 80 + [0] * 100 + [1] * 100,
            "batch": ["a"] * 800 + ["b"] * 200,
        },
        schema_overrides={"label": pl.Int8},
    )
    found = fit_baseline(train, BaselineSettings()).predict([Article("vote")])
    assert found.probability[0] == pytest.approx(0.18, abs=0.005)


def test_a_publisher_counts_by_the_root_of_its_articles() -> None:
    """A word is of real articles by rows, and of fakes by publishers; nobody knows who wrote the last rows."""
    train = pl.DataFrame(
        [("vote", 0, "large")] * 64
        + [("vote", 1, "a"), ("vote", 1, "b"), ("vote", 1, "c"), ("vote", 1, "d")] * 4
        + [("rain", 1, "large too")] * 64
        + [("rain", 0, "e"), ("rain", 0, "f"), ("rain", 0, "g"), ("rain", 0, "h")] * 4
        + [("else", 0, None), ("else", 1, None)] * 40,
        ["title", "label", "source"],
        orient="row",
        schema_overrides={"label": pl.Int8},
    ).with_columns(text=pl.lit(""))
    words = [Article("vote"), Article("rain"), Article("else")]
    by_rows, balanced = (
        fit_baseline(train, BaselineSettings(balance_batches=alike)).log_odds(words)
        for alike in (False, True)
    )

    # Four publishers of four articles weigh 4 * 2, one of 64 weighs 8.
    assert by_rows[1] - by_rows[0] > 1
    assert balanced == pytest.approx([0, 0, 0], abs=0.05)


def test_a_folder_without_a_classifier(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(FileNotFoundError, match=r"notes\.txt"):
        load_classifier(tmp_path)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        load_classifier(tmp_path / "missing")
