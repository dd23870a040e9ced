"""Checks of a cleaned batch: pure functions of counts and tables.

A batch that fails one is stored for inspection, but no later asset uses it, in this run or any other.
"""

import math
import shlex
from collections.abc import Iterable, Mapping
from typing import Any, Final

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from fakenews_assets.data.cleaning.label_flips import LabelFlipEvidence, Meaning
from fakenews_assets.data.cleaning.summary import CleaningSummary
from fakenews_assets.data.schema import ARTICLE_SCHEMA, Label

_BY_CHANCE: Final = 1e-6
"""A batch of one label is refused if so many rows of a fair draw would have one label more rarely."""
_ONE_LABEL: Final = (
    "All rows have one label, so a model would learn what sets this batch apart. Ingest it together with the other"
    " class: fakenews ingest REAL_FILE FAKE_FILE --label real --label fake. Or admit it: fakenews admit {batch} --because"
    " REASON."
)
_OTHER_SHARE: Final = (
    "If the labels are right, admit the batch: fakenews admit {batch} --because REASON. If a word of the label column was"
    " misread, say what it means: --labels WORD=real,WORD=fake."
)
_FLIPPED: Final = (
    "The labels are flipped: rows labelled real read like fakes, rows labelled fake like reports. {read}If the labels are"
    " right, admit the batch: fakenews admit {batch} --because REASON."
)
_REPEATED: Final = (
    "Remove the repeated rows and ingest the file under a new name. If the column of titles was chosen wrongly, name"
    " another one (--column title=NAME). To allow more, raise `max_repeated_share` of clean_news in the UI."
)
_EVEN: Final = (0.4, 0.6)
"""Shares of fakes that are no reason to refuse a batch, however one-sided the batches before it are."""
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
        description="Largest distance between the batch's share of fakes and that of the batches before it. A share from 40 %"
        " to 60 % always passes.",
    )
    first_batch_max_skew: float = Field(
        default=0.4, ge=0, le=0.5, description="Largest distance from one half of the first batch."
    )
    max_repeated_share: float = Field(
        default=0.3, ge=0, le=1, description="Largest share of rows that repeat an earlier row of the batch."
    )


def check_batch(
    summary: CleaningSummary,
    articles: pl.LazyFrame,
    corpus_fake_share: float | None,
    limits: BatchLimits,
    batch: str = "BATCH",
) -> list[CheckOutcome]:
    """All checks of one batch.

    Args:
        summary: counts of the batch.
        articles: the batch as written.
        corpus_fake_share: of the batches before it; see `fake_share`.
        limits: beyond which it is refused.
        batch: its name, which the remedies mention.
    """
    return [
        check_schema(articles),
        check_label_values(articles),
        check_label_balance(summary, corpus_fake_share, limits, batch),
        check_label_semantics(summary, batch),
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
    summary: CleaningSummary, corpus_fake_share: float | None, limits: BatchLimits, batch: str = "BATCH"
) -> CheckOutcome:
    """The batch's share of fakes is about one half, close to that of the batches before it, or within 3 standard errors
    of it."""
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
    alike = abs(share - expected) <= allowed + chance and not one_label
    even = known and _EVEN[0] <= share <= _EVEN[1]
    remedy = (_ONE_LABEL if one_label else _OTHER_SHARE).format(batch=batch)
    return CheckOutcome(
        name="label_balance",
        passed=alike or even,
        warns=even and not alike,
        description=(
            f"{share:.1%} of the labelled rows are fake; "
            + (
                f"the batches before it have {expected:.1%}"
                if known
                else "of the first batch, one half is expected"
            )
            + f", give or take {allowed:.0%} (and {chance:.1%} for chance)."
            + ("" if alike or even else f" {remedy}")
        ),
        numbers={
            "fake_share": share,
            "corpus_fake_share": corpus_fake_share,
            "labelled": summary.labelled,
        },
    )


def _chance_of_one_label(fake_share: float, rows: int) -> float:
    return max(fake_share, 1 - fake_share) ** rows


def check_label_semantics(summary: CleaningSummary, batch: str = "BATCH") -> CheckOutcome:
    """The articles' style does not contradict 1 = fake."""
    evidence = summary.evidence
    description = {
        Meaning.FAKE_IS_ONE: "Rows labelled 1 read like fakes, rows labelled 0 like reports.",
        Meaning.FLIPPED: _FLIPPED.format(batch=batch, read=_the_other_way_round(summary.words)),
        Meaning.UNDECIDED: _undecided(evidence),
    }[evidence.meaning]
    return CheckOutcome(
        name="label_semantics",
        passed=evidence.meaning is not Meaning.FLIPPED,
        warns=evidence.looks_mixed,
        description=description,
        numbers=evidence.model_dump(mode="json"),
    )


def _the_other_way_round(words: Mapping[str, str]) -> str:
    """How the words of the label column were read, and the option that reads them the other way round."""
    opposite = {"real": "fake", "fake": "real"}
    labels = {word: meaning for word, meaning in words.items() if meaning in opposite}
    if not labels:
        return ""
    read = ", ".join(f"{word} = {meaning}" for word, meaning in labels.items())
    option = shlex.quote(",".join(f"{word}={opposite[meaning]}" for word, meaning in labels.items()))
    return f"Here {read}. If it is the other way round in the file, say so: --labels {option}. "


def _undecided(evidence: LabelFlipEvidence) -> str:
    if evidence.auc is None:
        return "Undecided: the rows have one label."
    found = f"Undecided: the style tells fakes from reports with a ROC-AUC of {evidence.auc:.2f}, 0.5 being chance."
    if evidence.looks_mixed:
        return (
            f"{found} The articles differ in style, but not by label. Either part of the labels is flipped, or style says"
            " nothing about such articles, as with short claims of politicians: look at some of them."
        )
    return found


def check_duplicates(summary: CleaningSummary, limits: BatchLimits) -> CheckOutcome:
    """Not too many rows repeat an earlier row of the same batch."""
    share = summary.repeated / summary.rows_out if summary.rows_out else 0.0
    passed = share <= limits.max_repeated_share
    found = f"{summary.repeated:,} rows ({share:.1%}) repeat an earlier row; the limit is {limits.max_repeated_share:.0%}."
    return CheckOutcome(
        name="duplicates",
        passed=passed,
        description=found if passed else f"{found} {_REPEATED}",
        numbers={"repeated": summary.repeated, "share": share},
    )
