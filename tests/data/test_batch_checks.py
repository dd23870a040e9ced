"""Checks of a batch, each with input that passes and input that fails."""

from typing import Any

import polars as pl
import pytest

from fakenews_assets.data.batch_checks import (
    BatchLimits,
    check_batch,
    check_duplicates,
    check_label_balance,
    check_label_semantics,
    check_label_values,
    check_schema,
    fake_share,
)
from fakenews_assets.data.checks import BATCH_CHECKS
from fakenews_assets.data.cleaning.label_flips import LabelFlipDetector, LabelFlipEvidence, Meaning
from fakenews_assets.data.cleaning.summary import CleaningSummary
from fakenews_assets.data.schema import ARTICLE_SCHEMA

ARTICLES = pl.DataFrame(
    [("id1", "t", "", 1, None, None, None, "b"), ("id2", "u", "x", None, "s", "left", None, "b")],
    schema=ARTICLE_SCHEMA,
    orient="row",
)
NO_EVIDENCE = LabelFlipEvidence(meaning=Meaning.UNDECIDED, fake=0, real=0, auc=None, z=None, untied=None)


def summary(fake: int = 50, real: int = 50, **changes: Any) -> CleaningSummary:
    values: dict[str, Any] = {
        "rows_in": fake + real,
        "rows_out": fake + real,
        "rejected": {},
        "boilerplate": {},
        "fake": fake,
        "real": real,
        "unlabelled": 0,
        "rated": 0,
        "missing_text": 0,
        "undated": 0,
        "repeated": 0,
        "evidence": NO_EVIDENCE,
    }
    return CleaningSummary(**values | changes)


def detector(real_title: str, fake_title: str, rows: int = 60) -> LabelFlipEvidence:
    raw = pl.DataFrame(
        {
            "title": [real_title if n % 2 else fake_title for n in range(rows)],
            "text": [
                "WASHINGTON (Reuters) - a" if n % 2 and "says" in real_title else None for n in range(rows)
            ],
        }
    )
    seen = LabelFlipDetector()
    for half in (raw[: rows // 3], raw[rows // 3 :]):
        labels = half.select(pl.col("title").eq(fake_title).cast(pl.Int8)).to_series()
        seen.observe(half, labels)
    return seen.evidence()


def test_schema() -> None:
    assert check_schema(ARTICLES.lazy()).passed
    assert not check_schema(ARTICLES.drop("source").lazy()).passed
    assert not check_schema(ARTICLES.cast({"label": pl.Int64}).lazy()).passed
    outcome = check_schema(ARTICLES.with_columns(title=pl.lit(None, pl.String)).lazy())
    assert not outcome.passed
    assert "title" in outcome.description


def test_label_values() -> None:
    assert check_label_values(ARTICLES.lazy()).passed
    outcome = check_label_values(ARTICLES.with_columns(label=pl.lit(2, pl.Int8)).lazy())
    assert not outcome.passed
    assert outcome.numbers["odd"] == 2


@pytest.mark.parametrize(
    ("batch", "corpus", "passed"),
    [
        (summary(50, 50), [], True),
        (summary(95, 5), [], True),  # 100 rows: within chance of nine in ten
        (summary(1000, 0), [], False),
        (summary(700, 300), [summary(500, 500)], True),
        (summary(900, 100), [summary(500, 500)], False),
        (summary(900, 100), [summary(800, 200), summary(80, 20)], True),
        (summary(5, 0), [summary(500, 500)], True),  # five rows prove nothing
        (summary(0, 0, unlabelled=10), [summary(500, 500)], True),
        (summary(500, 500), [summary(950, 50)], True),
        (summary(300, 700), [summary(950, 50)], False),
    ],
)
def test_label_balance(batch: CleaningSummary, corpus: list[CleaningSummary], passed: bool) -> None:
    outcome = check_label_balance(batch, fake_share(corpus), BatchLimits(), "b7")
    assert outcome.passed is passed
    assert ("fakenews admit b7 --because" in outcome.description) is not passed
    assert "corpus" not in outcome.description


def test_a_balanced_batch_after_one_sided_ones_is_warned_of() -> None:
    outcome = check_label_balance(summary(500, 500), 0.95, BatchLimits())
    assert outcome.warns
    assert "the batches before it have 95.0%" in outcome.description
    assert not check_label_balance(summary(500, 500), 0.5, BatchLimits()).warns


def test_duplicates() -> None:
    assert check_duplicates(summary(repeated=30), BatchLimits()).passed
    outcome = check_duplicates(summary(repeated=31), BatchLimits())
    assert not outcome.passed
    assert "Remove the repeated rows" in outcome.description


def test_label_semantics_follow_the_content() -> None:
    real, fake = "Minister says talks go on", "WATCH: You won't believe this SHOCKING meltdown!"
    right, flipped, alike = (
        detector(real, fake),
        detector(fake, real),
        detector("Talks go on", "Rates rise again"),
    )
    assert right.meaning is Meaning.FAKE_IS_ONE
    assert flipped.meaning is Meaning.FLIPPED
    assert alike.meaning is Meaning.UNDECIDED
    assert check_label_semantics(summary(evidence=right)).passed
    assert check_label_semantics(summary(evidence=alike)).passed
    outcome = check_label_semantics(summary(evidence=flipped))
    assert not outcome.passed
    assert "The labels are flipped" in outcome.description


@pytest.mark.parametrize(
    ("words", "option"),
    [
        ({"0": "real", "1": "fake"}, "--labels 0=fake,1=real."),
        ({"0": "fake", "1": "real"}, "--labels 0=real,1=fake."),
        ({"not so": "real", "so": "fake", "?": "unlabelled"}, "--labels 'not so=fake,so=real'."),
    ],
)
def test_flipped_labels_are_read_the_other_way_round_by_the_option(
    words: dict[str, str], option: str
) -> None:
    flipped = detector("WATCH: You won't believe this SHOCKING meltdown!", "Minister says talks go on")
    outcome = check_label_semantics(summary(evidence=flipped, words=words), "b7")
    assert option in outcome.description
    assert "fakenews admit b7 --because REASON" in outcome.description


def test_few_rows_or_one_label_decide_nothing() -> None:
    fake, real = "WATCH: You won't believe this SHOCKING meltdown!", "Minister says talks go on"
    assert detector(fake, real, rows=20).meaning is Meaning.UNDECIDED
    one_label = LabelFlipDetector()
    one_label.observe(
        pl.DataFrame({"title": [fake] * 99, "text": [""] * 99}), pl.Series([0] * 99, dtype=pl.Int8)
    )
    assert one_label.evidence().meaning is Meaning.UNDECIDED
    assert LabelFlipDetector().evidence().auc is None


def test_auc_agrees_with_sklearn() -> None:
    from sklearn.metrics import roc_auc_score

    titles = [
        "Wow! Look",
        "Minister says no",
        "WATCH this",
        "Plain words",
        "Talks go on: officials",
        "BREAKING: ALERT!",
    ]
    labels = pl.Series([1, 0, 1, 0, 1, 0], dtype=pl.Int8)
    raw = pl.DataFrame({"title": titles, "text": [""] * 6})
    seen = LabelFlipDetector()
    seen.observe(raw, labels)
    from fakenews_assets.data.cleaning.label_flips import sensationalism

    assert seen.evidence().auc == pytest.approx(
        roc_auc_score(labels, raw.select(sensationalism()).to_series())
    )


def test_every_named_check_is_made() -> None:
    outcomes = check_batch(summary(), ARTICLES.lazy(), None, BatchLimits())
    assert [outcome.name for outcome in outcomes] == list(BATCH_CHECKS)


@pytest.mark.parametrize(("fakes", "rows", "passed"), [(200, 200, False), (199, 200, True), (15, 15, True)])
def test_a_batch_of_one_label_is_refused_with_its_remedy(fakes: int, rows: int, passed: bool) -> None:
    outcome = check_label_balance(summary(fakes, rows - fakes), None, BatchLimits())
    assert outcome.passed is passed
    assert ("--label real --label fake" in outcome.description) is not passed


def test_a_batch_of_which_half_is_flipped_is_warned_of() -> None:
    fake, real = "WATCH: You won't believe this SHOCKING meltdown!", "Minister says talks go on"
    raw = pl.DataFrame({"title": [fake, real] * 100, "text": [""] * 200})
    seen = LabelFlipDetector()
    seen.observe(raw, pl.Series([1, 0] * 50 + [0, 1] * 50, dtype=pl.Int8))
    outcome = check_label_semantics(summary(evidence=seen.evidence()))
    assert (outcome.passed, outcome.warns) == (True, True)
    assert "ROC-AUC of 0.50" in outcome.description
    alike = check_label_semantics(summary(evidence=detector("Talks go on", "Rates rise again")))
    assert (alike.passed, alike.warns) == (True, False)
