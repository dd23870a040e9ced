"""Checks of a cleaned batch: pure functions of counts and tables.

A batch that fails one is stored for inspection, but no later asset uses it, in this run or any other.
"""

import math
from collections.abc import Iterable
from typing import Any, Final

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from fakenews_assets.data.cleaning.cleaning import CleaningSummary
from fakenews_assets.data.cleaning.label_flips import LabelFlipEvidence, Meaning
from fakenews_assets.data.schema import ARTICLE_SCHEMA, Label

_BY_CHANCE: Final = 1e-6
"""A batch of one label is refused if so many rows of a fair draw would have one label more rarely."""
_ONE_LABEL: Final = (
    "All rows have one label, so a model would learn what sets this batch apart. Ingest it together with the other"
    " class: fakenews ingest REAL_FILE FAKE_FILE --label real --label fake. Or admit it: fakenews admit BATCH --because"
    " REASON."
)
_OTHER_SHARE: Final = (
    "If the labels are right, admit the batch: fakenews admit BATCH --because REASON. If a word of the label column was"
    " misread, say what it means: --labels WORD=real,WORD=fake."
)
_FLIPPED: Final = (
    "The labels are flipped: rows labelled 0 read like fakes, rows labelled 1 like reports. Here 1 = fake. If 0 is fake in"
    " the file, say so: --labels 0=fake,1=real. If the labels are right, admit the batch: fakenews admit BATCH --because"
    " REASON."
)
_NULLABLE: Final = {"label", "source", "group", "published_at"}


class CheckOutcome(BaseModel):
    """Result of one check of one batch, with its numbers."""

    model_config = ConfigDict(frozen=True)

    name: str
    passed: bool
    description: str
    numbers: dict[str, Any] = Field(default_factory=dict)
    warns: bool = False
    """Whether it passed, and a person should look at it all the same."""


class BatchLimits(BaseModel):
    """Limits of the batch checks."""

    model_config = ConfigDict(frozen=True)

    max_balance_shift: float = Field(
        default=0.25,
        ge=0,
        le=1,
        description="Largest distance between the batch's share of fakes and the corpus's.",
    )
    first_batch_max_skew: float = Field(
        default=0.4, ge=0, le=0.5, description="Largest distance from one half while there is no corpus yet."
    )
    max_repeated_share: float = Field(
        default=0.3, ge=0, le=1, description="Largest share of rows that repeat an earlier row of the batch."
    )


def check_batch(
    summary: CleaningSummary,
    articles: pl.LazyFrame,
    corpus_fake_share: float | None,
    limits: BatchLimits,
) -> list[CheckOutcome]:
    """All checks of one batch.

    Args:
        summary: counts of the batch.
        articles: the batch as written.
        corpus_fake_share: of the batches that the corpus already holds; see `fake_share`.
    """
    return [
        check_schema(articles),
        check_label_values(articles),
        check_label_balance(summary, corpus_fake_share, limits),
        check_label_semantics(summary),
        check_duplicates(summary, limits),
    ]


def check_schema(articles: pl.LazyFrame) -> CheckOutcome:
    """Columns and types are ARTICLE_SCHEMA, and no value is null that must not be."""
    found = articles.collect_schema()
    if found != ARTICLE_SCHEMA:
        return CheckOutcome(
            name="schema", passed=False, description=f"Columns are {dict(found)}, not {dict(ARTICLE_SCHEMA)}."
        )
    required = [name for name in ARTICLE_SCHEMA if name not in _NULLABLE]
    nulls = articles.select(pl.col(required).null_count()).collect().row(0, named=True)
    passed = not any(nulls.values())
    return CheckOutcome(
        name="schema",
        passed=passed,
        description="Columns and types are ARTICLE_SCHEMA."
        if passed
        else f"Null values in required columns: {nulls}.",
        numbers={"nulls": sum(nulls.values())},
    )


def check_label_values(articles: pl.LazyFrame) -> CheckOutcome:
    """Every label is 0, 1 or null."""
    odd = (
        articles.filter(
            pl.col("label").is_not_null() & ~pl.col("label").is_in([int(label) for label in Label])
        )
        .select(pl.len())
        .collect()
        .item()
    )
    return CheckOutcome(
        name="label_values",
        passed=odd == 0,
        description="Every label is 0 (real), 1 (fake) or missing."
        if not odd
        else f"{odd} labels are neither 0 nor 1.",
        numbers={"odd": odd},
    )


def fake_share(batches: Iterable[CleaningSummary]) -> float | None:
    """Share of fakes among the labelled rows of some batches; None: there are none."""
    counted = [(batch.fake, batch.labelled) for batch in batches]
    labelled = sum(rows for _, rows in counted)
    return sum(fake for fake, _ in counted) / labelled if labelled else None


def check_label_balance(
    summary: CleaningSummary, corpus_fake_share: float | None, limits: BatchLimits
) -> CheckOutcome:
    """The batch's share of fakes is close to the corpus's, or within 3 standard errors of it."""
    if not summary.labelled:
        return CheckOutcome(
            name="label_balance", passed=True, description="No labelled rows: nothing to compare."
        )
    share = summary.fake / summary.labelled
    known = corpus_fake_share is not None
    expected = corpus_fake_share if known else 0.5
    allowed = limits.max_balance_shift if known else limits.first_batch_max_skew
    chance = 3 * math.sqrt(expected * (1 - expected) / summary.labelled)
    one_label = share in (0, 1) and _chance_of_one_label(expected, summary.labelled) < _BY_CHANCE
    passed = abs(share - expected) <= allowed + chance and not one_label
    return CheckOutcome(
        name="label_balance",
        passed=passed,
        description=(
            f"{share:.1%} of the labelled rows are fake; "
            + (f"the corpus has {expected:.1%}" if known else "without a corpus, one half is expected")
            + f", give or take {allowed:.0%} (and {chance:.1%} for chance)."
            + ("" if passed else f" {_ONE_LABEL if one_label else _OTHER_SHARE}")
        ),
        numbers={
            "fake_share": share,
            "corpus_fake_share": corpus_fake_share,
            "labelled": summary.labelled,
        },
    )


def _chance_of_one_label(fake_share: float, rows: int) -> float:
    return max(fake_share, 1 - fake_share) ** rows


def check_label_semantics(summary: CleaningSummary) -> CheckOutcome:
    """The articles' style does not contradict 1 = fake."""
    evidence = summary.evidence
    description = {
        Meaning.FAKE_IS_ONE: "Rows labelled 1 read like fakes, rows labelled 0 like reports.",
        Meaning.FLIPPED: _FLIPPED,
        Meaning.UNDECIDED: _undecided(evidence),
    }[evidence.meaning]
    return CheckOutcome(
        name="label_semantics",
        passed=evidence.meaning is not Meaning.FLIPPED,
        warns=evidence.looks_mixed,
        description=description,
        numbers=evidence.model_dump(mode="json"),
    )


def _undecided(evidence: LabelFlipEvidence) -> str:
    if evidence.auc is None:
        return "Undecided: the rows have one label."
    found = f"Undecided: the style tells fakes from reports with a ROC-AUC of {evidence.auc:.2f}, 0.5 being chance."
    if evidence.looks_mixed:
        return f"{found} Their styles differ, but not by label: part of the labels may be flipped."
    return found


def check_duplicates(summary: CleaningSummary, limits: BatchLimits) -> CheckOutcome:
    """Not too many rows repeat an earlier row of the same batch."""
    share = summary.repeated / summary.rows_out if summary.rows_out else 0.0
    return CheckOutcome(
        name="duplicates",
        passed=share <= limits.max_repeated_share,
        description=f"{summary.repeated} rows ({share:.1%}) repeat an earlier row; the limit is {limits.max_repeated_share:.0%}.",
        numbers={"repeated": summary.repeated, "share": share},
    )
