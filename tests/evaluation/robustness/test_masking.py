from collections.abc import Callable, Sequence

import numpy as np
import polars as pl
import pytest

from fakenews_assets.data.text.names import Names
from fakenews_assets.evaluation.robustness.masking import (
    UNKNOWN,
    MaskedScore,
    known_publishers,
    mask_publishers,
    measure_masked,
    without_punctuation,
)
from fakenews_assets.evaluation.robustness.settings import LIMITS, PERTURBATIONS
from fakenews_assets.models.classifier import Article, Predictions
from tests.support.models import FAKE_WORDS, REAL_WORDS

NAMES = Names(words=frozenset({"merkel", "kenya", "oslo", "brom"}))


class Rule:
    """Calls fake what a rule says, and counts what it was asked."""

    name = "rule"

    def __init__(self, is_fake: Callable[[Article], bool]) -> None:
        self.is_fake = is_fake
        self.asked = 0

    def predict(self, articles: Sequence[Article]) -> Predictions:
        self.asked += len(articles)
        return Predictions.from_probability(np.array([0.9 if self.is_fake(one) else 0.1 for one in articles]))


def reads_words(article: Article) -> bool:
    return any(word in article.title.lower() for word in FAKE_WORDS)


@pytest.fixture
def articles() -> pl.DataFrame:
    """Fakes shout, speak of Merkel, end in "!" and hold one of FAKE_WORDS; one in five names CNN; half have a text."""
    rows = []
    for row in range(200):
        fake = row % 2
        word = (REAL_WORDS, FAKE_WORDS)[fake][row % 6]
        title = f"report of {word} by {'Merkel' if fake else 'Kenya'}{' on CNN' if row % 5 == 0 else ''}"
        rows.append(
            {
                "article_id": f"{row:04}",
                "title": f"{title.upper()}!" if fake else title,
                "text": f"{word} of old" if row % 4 < 2 else "",
                "source": "tribune",
                "true_label": fake,
                "cluster_id": f"c{row // 2}",
            }
        )
    return pl.DataFrame(rows, schema_overrides={"true_label": pl.Int8})


def scores(
    rule: Rule, articles: pl.DataFrame, *, reads_text: bool = False, rows: int = 1000
) -> dict[str, MaskedScore]:
    predicted = rule.predict(
        [Article(*row) for row in articles.select("title", "text").iter_rows()]
    ).predicted_label
    found = measure_masked(
        rule,
        articles.with_columns(predicted_label=predicted),
        NAMES,
        rows=rows,
        reads_text=reads_text,
        resamples=100,
    )
    return {one.name: one for one in found}


def falling(found: dict[str, MaskedScore]) -> set[str]:
    return {name for name, one in found.items() if one.falls}


def test_every_hiding_has_a_limit_and_words():
    assert list(PERTURBATIONS) == list(LIMITS)


def test_who_reads_the_words_stands_everywhere(articles: pl.DataFrame):
    found = scores(Rule(reads_words), articles)

    assert set(found) == set(PERTURBATIONS) - {"title_only", "text_only"}
    assert falling(found) == set()
    assert {one.difference.difference for one in found.values()} == {0.0}
    assert {one.macro_f1 for one in found.values()} == {1.0}


@pytest.mark.parametrize(
    ("is_fake", "falls"),
    [
        (lambda article: "merkel" in article.title.lower(), {"names_masked", "names_swapped"}),
        (lambda article: article.title.isupper(), {"lower_case", "upper_case", "names_masked"}),
        (lambda article: "!" in article.title, {"no_punctuation"}),
    ],
    ids=["names", "casing", "signs"],
)
def test_who_leans_on_a_shortcut_falls_without_it(
    articles: pl.DataFrame, is_fake: Callable[[Article], bool], falls: set[str]
):
    found = scores(Rule(is_fake), articles)
    # A mask is in capitals itself, so that it says nothing about casing.
    assert falling(found) - {"names_masked"} == falls - {"names_masked"}
    assert found["lower_case"].macro_f1_before == 1.0
    for name in falls - {"names_masked"}:
        assert found[name].macro_f1 < 0.9
        assert found[name].difference.high < -LIMITS[found[name].name]


def test_only_what_changed_is_judged_again(articles: pl.DataFrame):
    rule = Rule(reads_words)
    found = scores(rule, articles)

    assert found["publishers_masked"].changed == 40
    assert found["no_punctuation"].changed == 100
    # And casing not at all, once a few articles have shown that the rule does not read it.
    changed = [one.changed for name, one in found.items() if name not in ("lower_case", "upper_case")]
    assert rule.asked == 200 + 3 * 32 + sum(changed)


def test_who_leans_on_publishers_falls_without_them(articles: pl.DataFrame):
    named = articles.with_columns(
        title=pl.when(pl.col("true_label") == 1)
        .then(pl.col("title").str.replace("MERKEL", "Merkel of Breitbart"))
        .otherwise("title")
    )
    assert "publishers_masked" in falling(scores(Rule(lambda one: "breitbart" in one.title.lower()), named))


def test_title_and_text_alone_are_for_those_who_read_both(articles: pl.DataFrame):
    found = scores(Rule(lambda one: any(word in one.text for word in FAKE_WORDS)), articles, reads_text=True)

    assert (found["title_only"].rows, found["text_only"].rows) == (100, 100)
    assert found["title_only"].macro_f1 < 0.4
    assert found["text_only"].macro_f1 == 1.0


def test_too_few_articles_of_a_label_are_no_comparison(articles: pl.DataFrame):
    few = pl.concat(
        [articles.filter(pl.col("true_label") == 1).head(9), articles.filter(pl.col("true_label") == 0)]
    )
    assert scores(Rule(reads_words), few) == {}
    assert scores(Rule(reads_words), articles.filter(pl.col("true_label") == 0)) == {}


def test_a_sample_is_enough(articles: pl.DataFrame):
    found = scores(Rule(reads_words), articles, rows=60)
    assert {one.rows for one in found.values()} == {60}


def test_publishers_are_hidden_as_written_or_in_capitals():
    lines = [
        "Reuters says",
        "BREITBART lies",
        "an apt hill",
        "The Hill, AP, APT",
        "the northern ledger (Northern Ledger)",
    ]
    assert mask_publishers(pl.Series(lines), ["Northern Ledger"]).to_list() == [
        f"{UNKNOWN} says",
        f"{UNKNOWN} lies",
        "an apt hill",
        f"{UNKNOWN}, {UNKNOWN}, APT",
        f"the northern ledger ({UNKNOWN})",
    ]
    assert len(set(known_publishers())) == len(known_publishers()) > 50


def test_punctuation_goes_and_words_stay():
    assert without_punctuation(pl.Series(['U.S. "talks" - don\'t!', "Äpfel_2", "?"])).to_list() == [
        "US talks dont",
        "Äpfel 2",
        "",
    ]
