from collections.abc import Callable, Sequence

import numpy as np
import polars as pl
import pytest

from fakenews_assets.data.text.names import Names
from fakenews_assets.data.text.preparation import TextPreparation
from fakenews_assets.evaluation.robustness.behaviour import BehaviourResult, run_behaviour_tests
from fakenews_assets.evaluation.robustness.behaviour_cases import (
    LONG_BODY_WORDS,
    Material,
    cases_of,
    templates,
)
from fakenews_assets.evaluation.robustness.report import behaviour_markdown
from fakenews_assets.evaluation.robustness.settings import BEHAVIOURS
from fakenews_assets.models.classifier import Article, Predictions
from fakenews_assets.registry.scorer import prepared

NAMES = Names(words=frozenset({"merkel", "kenya", "oslo", "brom"}))
SUBJECTS = ("the budget", "old roads", 'a "fair" deal', "water prices", "Kenya's debt", "new bridges")
LOUD = (
    "shocking", "exposed", "busted", "believe", "hiding", "secret", "wow", "hoax", "crazy", "wake up", "unbelievable",
    "bombshell",
)  # fmt: skip


class Judge:
    """Reads nothing but its list of loud words, whatever their casing; is silent about what holds no English word."""

    name = "judge"
    english = "senate court minister bank parliament oil germany u.n lawmakers turkey is the a of in on for"
    known = frozenset((*LOUD, *english.split()))

    def __init__(
        self, change: Callable[[Article, float], float] = lambda _, probability: probability
    ) -> None:
        self.change = change
        self.asked: list[Article] = []

    def predict(self, articles: Sequence[Article]) -> Predictions:
        self.asked = list(articles)
        probability = np.array([self.change(one, self.opinion(one)) for one in articles], dtype=np.float32)
        words = [one.title.lower().replace(":", " ").split() for one in articles]
        silent = np.array([not any(word in self.known for word in line) for line in words])
        return Predictions(probability, (probability >= 0.5).astype(np.int8), silent, silent)

    def opinion(self, article: Article) -> float:
        return 0.9 if any(word in article.title.lower() for word in LOUD) else 0.1


@pytest.fixture
def test_rows() -> pl.DataFrame:
    titles = [
        f"{'Secret' if row % 2 else 'Court'} talks in {('Oslo', 'Brom')[row // 2 % 2]} on {SUBJECTS[row % 6]} is in week {row}"
        for row in range(60)
    ]
    return pl.DataFrame(
        {
            "article_id": [f"{row:04}" for row in range(60)],
            "title": titles,
            "text": ['Merkel said: "no" - and left.' if row % 3 else "" for row in range(60)],
        }
    )


def run(
    judge: Judge,
    rows: pl.DataFrame,
    preparation: TextPreparation | None = None,
    reads_words: int | None = 1000,
) -> dict[str, BehaviourResult]:
    preparation = preparation or TextPreparation()
    results = run_behaviour_tests(judge, preparation, rows, NAMES, cases=50, reads_words=reads_words)
    return {one.name: one for one in results}


def failing(results: dict[str, BehaviourResult]) -> set[str]:
    return {name for name, one in results.items() if one.fails}


def test_who_reads_the_words_passes_every_test(test_rows: pl.DataFrame):
    results = run(Judge(), test_rows)

    assert list(results) == list(BEHAVIOURS)
    assert failing(results) == set()
    assert {name: one.cases for name, one in results.items() if one.cases < 16} == {"long_body": 3}
    assert results["casing"].pass_rate == results["swapped_names"].pass_rate == 1.0


@pytest.mark.parametrize(
    ("change", "fails"),
    [
        (lambda one, fake: 0.95 if one.title.isupper() else fake, {"casing"}),
        (
            # In whatever order its letters come: typos are another test's.
            lambda one, fake: 0.95 if sorted("oslo") in map(sorted, one.title.lower().split()) else fake,
            {"swapped_names"},
        ),
        (
            lambda one, fake: 0.05 if one.title.startswith(tuple(templates()["sensational"])) else fake,
            {"sensational_prefix"},
        ),
        (
            lambda one, fake: 0.95 if one.title.endswith(tuple(templates()["attributions"])) else fake,
            {"sober_attribution"},
        ),
        (lambda one, fake: fake if len(one.text.split()) < 5000 else fake + 0.01, {"long_body"}),
        (lambda one, fake: float("nan") if len(one.text) > 99_000 else fake, {"long_body"}),
        (lambda one, fake: 0.5 if one.title in templates()["plain_real"] else fake, {"plain_titles"}),
    ],
    ids=["casing", "names", "prefix", "attribution", "long body", "not a number", "plain titles"],
)
def test_who_leans_on_something_fails_the_test_of_it(
    test_rows: pl.DataFrame, change: Callable[[Article, float], float], fails: set[str]
):
    assert failing(run(Judge(change), test_rows)) == fails


def test_who_minds_typos_fails(test_rows: pl.DataFrame):
    known = set(" ".join(test_rows["title"]).lower().split())

    def nervous(one: Article, fake: float) -> float:
        mistyped = [
            word
            for word in one.title.lower().split()
            if sorted(word) in map(sorted, known) and word not in known
        ]
        return 1 - fake if mistyped else fake

    assert failing(run(Judge(nervous), test_rows)) == {"typos"}


def test_who_answers_everything_fails_where_silence_is_due(test_rows: pl.DataFrame):
    class Talkative(Judge):
        def predict(self, articles: Sequence[Article]) -> Predictions:
            return Predictions.from_probability(super().predict(articles).probability)

    assert failing(run(Talkative(), test_rows)) == {"other_language", "gibberish"}


class KeepsCurls(TextPreparation):
    """Undoes the straightening of double quotes."""

    def apply(self, articles: pl.DataFrame) -> pl.DataFrame:
        done = super().apply(articles)
        return done.with_columns(
            title=pl.when(articles["title"].str.contains("“"))
            .then(done["title"].str.replace('"', "“"))
            .otherwise(done["title"])
        )


class KeepsBlanks(TextPreparation):
    """Leaves a body of blanks as it is."""

    def apply(self, articles: pl.DataFrame) -> pl.DataFrame:
        done = super().apply(articles)
        return done.with_columns(
            text=pl.when(done["text"] == "").then(articles["text"]).otherwise(done["text"])
        )


@pytest.mark.parametrize(
    ("preparation", "change", "fails"),
    [
        (KeepsCurls(), lambda one, fake: fake + 0.001 * ("“" in one.title), {"quote_style"}),
        (
            TextPreparation(rules=()),
            lambda one, fake: fake + 0.001 * ("New York Times" in one.title),
            {"dateline"},
        ),
        (KeepsBlanks(), lambda one, fake: fake + 0.001 * bool(one.text), {"no_body"}),
    ],
    ids=["quotes", "dateline", "blanks"],
)
def test_a_hole_in_the_preparation_is_found(
    test_rows: pl.DataFrame,
    preparation: TextPreparation,
    change: Callable[[Article, float], float],
    fails: set[str],
):
    assert failing(run(Judge(change), test_rows, preparation)) == fails


def test_articles_are_prepared_as_they_are_when_served(test_rows: pl.DataFrame):
    def minds_surface(one: Article, fake: float) -> float:
        marks = ("“", "’", "–", "New York Times", "Reuters")
        return fake + 0.001 * (any(mark in f"{one.title}{one.text}" for mark in marks) or one.text.isspace())

    assert failing(run(Judge(minds_surface), test_rows)) == set()


def test_negation_demands_nothing(test_rows: pl.DataFrame):
    results = run(Judge(lambda one, fake: 1 - fake if " not " in one.title else fake), test_rows)
    negation = results["negation"]

    assert failing(results) == set()
    assert (negation.least, negation.pass_rate) == (None, 0.0)
    assert len(negation.failures) == 5
    assert "where the decision changed" in "\n".join(behaviour_markdown(tuple(results.values())))


def test_failures_show_what_happened(test_rows: pl.DataFrame):
    results = run(Judge(lambda one, fake: 0.95 if one.title.isupper() else fake), test_rows)
    first = results["casing"].failures[0]

    assert first.before is not None
    assert first.after == first.before.upper()
    assert (first.probability_before, first.probability) == (pytest.approx(0.1), pytest.approx(0.95))
    assert len(results["casing"].failures) == 5
    text = "\n\n".join(behaviour_markdown(tuple(results.values())))
    assert f"| `{first.before}` | 0.100 | `{first.after}` | 0.950 |" in text
    assert "**fails**" in text
    assert [BehaviourResult.model_validate_json(one.model_dump_json()) for one in results.values()] == [
        *results.values()
    ]


def test_equal_seeds_give_equal_cases_and_each_article_is_asked_about_once(test_rows: pl.DataFrame):
    first, second = Judge(), Judge()
    assert run(first, test_rows) == run(second, test_rows.reverse())
    assert first.asked == second.asked
    assert len(set(first.asked)) == len(first.asked)


def test_a_classifier_that_reads_everything_is_not_held_to_a_beginning(test_rows: pl.DataFrame):
    judge = Judge(lambda one, fake: fake + len(one.text) / 1e7)
    assert "long_body" in failing(run(judge, test_rows))
    assert failing(run(judge, test_rows, reads_words=None)) == set()


def test_the_long_body_is_long(test_rows: pl.DataFrame):
    articles = [Article(*row) for row in test_rows.select("title", "text").head(3).iter_rows()]
    for case in cases_of("long_body", Material(articles, NAMES, 1000)):
        assert case.before is not None
        assert len(case.after.text.split()) == LONG_BODY_WORDS
        assert len(case.before.text.split()) == 1000


def test_text_preparation_leaves_the_openings_and_attributions_alone():
    words = templates()
    written = [Article(f"{opening}Talks end") for opening in words["sensational"]]
    written += [Article(f"Talks end{ending}") for ending in words["attributions"]]
    assert prepared(TextPreparation(), written) == written


def test_a_split_without_quotes_or_names_has_no_such_case():
    rows = pl.DataFrame({"article_id": ["a"], "title": ["it rains"], "text": [""]})
    results = run(Judge(), rows)
    assert (results["swapped_names"].cases, results["swapped_names"].pass_rate) == (0, None)
    assert not results["swapped_names"].fails
    assert results["quote_style"].cases == 3  # the templates'
