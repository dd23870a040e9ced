"""Reads labels: words and numbers that are sure, and those that a person has explained."""

import csv
import io
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import polars as pl

from fakenews_assets.data.schema import Label

UNLABELLED: Final = "unlabelled"
"""What a person calls a word that gives no label."""
MEANINGS: Final = {"real": Label.REAL, "fake": Label.FAKE, UNLABELLED: None}

_SURE: Final = {
    Label.REAL: (
        "0", "real", "real news", "reliable", "legit", "legitimate", "genuine", "authentic", "credible", "trustworthy",
        "not fake", "non-fake",
    ),
    Label.FAKE: (
        "1", "fake", "fake news", "unreliable", "hoax", "fabricated", "bogus", "misinformation", "disinformation",
        "not real",
    ),
}  # fmt: skip
"""Words with one meaning. "true" is none of them, because files disagree on what it says is true."""

_USUAL: Final = {
    "true": "real", "mostly-true": "real", "mostly true": "real", "half-true": "real", "half true": "real",
    "false": "fake", "mostly-false": "fake", "mostly false": "fake", "barely-true": "fake", "barely true": "fake",
    "pants-fire": "fake", "pants on fire": "fake", "bias": "fake", "conspiracy": "fake", "bs": "fake", "satire": UNLABELLED,
}  # fmt: skip
"""What unsure words most often mean: a suggestion for the person who is asked."""

_ASKED: Final = 20
"""A column with more different words is no column of labels."""


def plain_labels(labels: pl.Series) -> pl.Series:
    """Labels in lower case with single blanks, and 1 for 1.0 and 1,0; null where there is none."""
    plain = pl.col(labels.name).str.strip_chars().str.to_lowercase().str.replace_all(r"\s+", " ")
    number = plain.str.replace(r"^([+-]?\d+)[.,]0+$", "$1")
    return labels.to_frame().select(pl.when(number != "").then(number)).to_series()


def parse_labels(plain: pl.Series, explained: Mapping[str, str]) -> pl.DataFrame:
    """Columns `label` (0, 1 or null) and `unclear` (whether a word says neither).

    Args:
        plain: as `plain_labels` returns them.
        explained: meaning of further words, as in `MEANINGS`; they go before the sure ones.
    """
    known = {word: label for label, words in _SURE.items() for word in words}
    known |= {word: MEANINGS[meaning] for word, meaning in explained.items()}
    label = plain.replace_strict(known, default=None, return_dtype=pl.Int8)
    return pl.DataFrame({"label": label, "unclear": plain.is_not_null() & ~plain.is_in(list(known))})


def meanings_of(words: Sequence[str], explained: Mapping[str, str]) -> dict[str, str]:
    """What words of a label column are read as: real, fake or unlabelled. A word that is unclear is left out."""
    found = parse_labels(pl.Series("label", words, dtype=pl.String), explained)
    names = {meaning: name for name, meaning in MEANINGS.items()}
    return {
        word: names[label]
        for word, label, unclear in zip(words, *found.iter_columns(), strict=True)
        if not unclear
    }


def are_sure(plain: pl.Series) -> bool:
    """Whether every word has one meaning, and there is a word."""
    return bool(len(plain.drop_nulls())) and not parse_labels(plain, {})["unclear"].any()


def question(words: Mapping[str, int]) -> str:
    """A sentence that asks what the words of a label column mean, with the option that answers.

    Args:
        words: how many rows have each word.
    """
    ordered = sorted(words, key=lambda word: (-words[word], word))
    named = ", ".join(f"{word[:40]!r} ({words[word]:,} rows)" for word in ordered[:_ASKED])
    if len(ordered) > _ASKED:
        return (
            f"The column of labels holds {len(ordered):,} different words or more, such as {named}. Name another one"
            " (--column label=NAME), or none (--column label=)."
        )
    suggested = {word: _suggestion(word) for word in ordered}
    answer = as_pairs(suggested)
    blanks = " with real, fake or unlabelled for each ?" if "?" in suggested.values() else ""
    return (
        f"The labels {named} do not say which articles are fake. Say what they mean{blanks}"
        f": --labels {shlex.quote(answer)} (`labels` of raw_news in the UI)."
    )


def as_pairs(meanings: Mapping[str, str]) -> str:
    """Words and their meanings as `--labels` takes them: one line of CSV, such as `false=fake,"true, mostly"=real`."""
    return as_line([f"{word}={meaning}" for word, meaning in meanings.items()])


def as_line(values: Iterable[str]) -> str:
    """One line of CSV."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(values)
    return line.getvalue()


def _suggestion(word: str) -> str:
    sure = next((str(label.name).lower() for label, words in _SURE.items() if word in words), "?")
    # A number is sure only among numbers that are.
    return _USUAL.get(word, "?" if word in "01" else sure)
