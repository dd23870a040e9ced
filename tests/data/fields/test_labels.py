"""Labels: sure words are read, unsure ones are asked for, and the answer works."""

from collections.abc import Mapping

import polars as pl
import pytest

from fakenews_assets.data.fields.labels import are_sure, parse_labels, plain_labels, question
from fakenews_assets.data.fields.mapping import BatchMapping


def read(*labels: str | None, **meanings: str) -> tuple[list[int | None], list[bool]]:
    plain = plain_labels(pl.Series("label", labels, dtype=pl.String))
    found = parse_labels(plain, meanings)
    return found["label"].to_list(), found["unclear"].to_list()


def test_sure_words() -> None:
    labels, unclear = read("Reliable", " FAKE ", "legit", "1.0", "0,0", "1", "fake  news", None, "")
    assert labels == [0, 1, 0, 1, 0, 1, 1, None, None]
    assert not any(unclear)


def test_unsure_words_have_no_label_until_they_are_explained() -> None:
    assert read("True", "false", "half-true") == ([None, None, None], [True, True, True])
    explained: Mapping[str, str] = {"true": "real", "false": "fake", "half-true": "unlabelled"}
    assert read("True", "false", "half-true", **explained) == ([0, 1, None], [False, False, False])


def test_an_explanation_goes_before_a_sure_word() -> None:
    assert read("-1", "1", **{"-1": "fake", "1": "real"})[0] == [1, 0]
    assert read("1", **{"1": "unlabelled"}) == ([None], [False])


def test_an_explained_word_may_be_written_as_in_the_file() -> None:
    given = BatchMapping(labels={"-1.0": "fake", " Mostly  TRUE": "Real"}).labels
    assert given == {"-1": "fake", "mostly true": "real"}
    assert read("-1.0", "-1", "mostly true", **given)[0] == [1, 1, 0]


@pytest.mark.parametrize(
    ("words", "option"),
    [
        ({"true": 3, "false": 2}, "--labels true=real,false=fake "),
        ({"-1": 2, "1": 3}, "with real, fake or unlabelled for each ?: --labels '1=?,-1=?' "),
        ({"false": 2, "true, mostly": 1}, """--labels 'false=fake,"true, mostly=?"' """),
        ({"it's $HOME": 1}, """--labels 'it'"'"'s $HOME=?' """),
        ({f"word {n}": 1 for n in range(30)}, "--column label=NAME"),
    ],
)
def test_the_question_shows_the_option_that_answers(words: dict[str, int], option: str) -> None:
    assert option in question(words)


def test_a_column_is_sure_if_every_word_is() -> None:
    assert are_sure(pl.Series(["fake", None, "0"]))
    assert not are_sure(pl.Series(["fake", "satire"]))
    assert not are_sure(pl.Series([None], dtype=pl.String))
