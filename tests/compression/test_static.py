"""A static student learns from labels and teacher, and answers in array arithmetic as word by word."""

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.special import expit

from fakenews_assets.compression.settings import StaticSettings
from fakenews_assets.compression.static import choose_terms, make_static
from fakenews_assets.models.classifier import Article
from fakenews_assets.models.predictions import articles_of
from fakenews_assets.models.runtimes.loading import load_classifier, reads_text, words_read
from fakenews_assets.models.runtimes.static import StaticClassifier, Vocabulary
from fakenews_assets.models.words import split_words

SETTINGS = StaticSettings(max_words=40, dimensions=8, hidden=8, learning_rate=2e-2, batch_size=16)


@pytest.fixture(scope="module")
def folder(
    teacher: Path, train: pl.DataFrame, val: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    made = tmp_path_factory.mktemp("static")
    result = make_static(teacher, train, val, SETTINGS, made / "student", made / "work")
    assert result.best["macro_f1"] > 0.95
    assert (result.words, result.pairs > 100) == (choose_terms(train, SETTINGS)["word"].count(), True)
    return made


def loaded(folder: Path) -> StaticClassifier:
    student = load_classifier(folder, "static")
    assert isinstance(student, StaticClassifier)
    return student


def word_by_word(student: StaticClassifier, field: str) -> np.ndarray:
    row_of = {one: row for row, one in enumerate(student.vocabulary.hashes.tolist(), start=1)}
    words = re.findall(r"\w+|[^\w\s]", field)[: student.inputs.max_words]
    rows = [row_of.get(split_words([word]).hashes[0], 0) for word in words]
    pairs = [row_of.get(split_words([" ".join(pair)]).pairs().hashes[0]) for pair in pairwise(words)]
    rows += [row for row in pairs if row]
    return student.weights.terms[rows].sum(axis=0) / max(len(words), 1)


def test_answers_are_those_of_a_loop_over_words(folder: Path, val: pl.DataFrame) -> None:
    student = loaded(folder / "student")
    articles = [*articles_of(val), Article(""), Article("Unknown, 東京!", "the " * 60), Article("bank")]
    means = np.array(
        [np.hstack([word_by_word(student, f) for f in (one.title, one.text)]) for one in articles]
    )
    weights = student.weights
    hidden = np.maximum(means @ weights.hidden + weights.hidden_bias, 0)
    found, embeddings = student.predict_and_embed(articles)
    np.testing.assert_allclose(embeddings, means, atol=1e-5)
    np.testing.assert_allclose(
        found.probability, expit(hidden @ weights.output + weights.output_bias), atol=1e-5
    )
    assert found.truncated is not None
    assert found.truncated.tolist() == [False] * (len(val) + 1) + [True, False]
    one_by_one = [student.predict([one]).probability[0] for one in articles[:5]]
    np.testing.assert_allclose(one_by_one, found.probability[:5], atol=1e-6)
    assert len(student.predict([])) == 0
    assert student.embed([]).shape == (0, 0)
    assert (reads_text(folder / "student"), words_read(folder / "student")) == (True, 40)


def test_a_repeated_training_gives_the_same_file(
    folder: Path, teacher: Path, train: pl.DataFrame, val: pl.DataFrame, tmp_path: Path
) -> None:
    make_static(teacher, train, val, SETTINGS, tmp_path, folder / "work")
    for file in folder.joinpath("student").iterdir():
        assert file.read_bytes() == (tmp_path / file.name).read_bytes(), file.name


def test_the_teacher_is_listened_to(
    folder: Path, teacher: Path, train: pl.DataFrame, val: pl.DataFrame, tmp_path: Path
) -> None:
    wrong = train.with_columns(label=1 - pl.col("label"))
    settings = SETTINGS.model_copy(update={"label_weight": 0.0})
    make_static(teacher, wrong, val, settings, tmp_path / "student", folder / "work")
    answers = load_classifier(tmp_path / "student").predict(articles_of(val)).predicted_label
    assert (answers == val["label"].to_numpy()).mean() > 0.95


def test_terms_are_in_enough_articles() -> None:
    titles = ["Kenya votes", "kenya votes", "kenya votes again, again"]
    rows = pl.DataFrame({"title": titles, "text": ["kenya", "", ""], "label": [0, 1, 0]})
    found = choose_terms(rows, StaticSettings(min_articles=3))
    assert set(found["word"].drop_nulls()) == {"kenya", "votes"}
    found = choose_terms(rows, StaticSettings(min_articles=2))
    assert set(found["word"].drop_nulls()) == {"kenya", "votes"}  # "again" is twice in one
    assert found["word"].null_count() == 1  # kenya votes
    with pytest.raises(ValueError, match="4 training articles"):
        choose_terms(rows, StaticSettings(min_articles=4))


def test_rows_of_a_vocabulary_with_crowded_buckets() -> None:
    hashes = np.sort(np.random.default_rng(0).integers(0, 1 << 30, 500, dtype=np.uint64))  # all in one bucket
    vocabulary = Vocabulary(np.unique(hashes))
    asked = np.concatenate([vocabulary.hashes[::-1], [np.uint64(0), np.uint64(2**64 - 1)]])
    assert vocabulary.rows(asked).tolist() == [*range(len(vocabulary.hashes), 0, -1), 0, 0]
