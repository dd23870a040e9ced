import polars as pl
import pytest

from fakenews_assets.monitoring.drift.features import (
    LOGGED_FEATURES,
    TEXT_FEATURES,
    TITLE_FEATURES,
    article_features,
)


def features(title: str, text: str = "") -> dict[str, float]:
    table = pl.DataFrame({"title": [title], "text": [text], "probability": [0.25]})
    return article_features(table, with_text=True).row(0, named=True)


def test_a_title_in_numbers() -> None:
    found = features("BREAKING: 3 of 10 banks fail!", "some text")
    assert found["title characters"] == 29
    assert found["title words"] == 6
    assert found["letters in words of capitals, %"] == pytest.approx(100 * 8 / 29)
    assert found["punctuation, %"] == pytest.approx(100 * 2 / 29)
    assert found["digits, %"] == pytest.approx(100 * 3 / 29)
    assert found["text characters"] == 9
    assert found["probability"] == 0.25


def test_abbreviations_of_two_letters_do_not_shout() -> None:
    assert features("US and EU agree")["letters in words of capitals, %"] == 0


def test_an_empty_title_divides_by_nothing() -> None:
    assert features("")["punctuation, %"] == 0


def test_a_text_that_is_not_read_has_no_features() -> None:
    table = pl.DataFrame({"title": ["a"], "text": ["b"], "probability": [0.5]})
    assert article_features(table, with_text=False).columns == [*LOGGED_FEATURES, *TITLE_FEATURES]
    assert article_features(table, with_text=True).columns[-1:] == list(TEXT_FEATURES)
