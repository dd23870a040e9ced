"""Text preparation, the same for training, batch scoring and serving.

Training, batch scoring and serving all call `TextPreparation.apply`; its settings travel inside the model
bundle as `prepare.json`, so that a served title is prepared exactly as the training titles were.
"""

import re
import tomllib
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Final, Literal, NamedTuple, Self

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field, model_validator

from fakenews_assets.data.text.markup import MARKUP, MARKUP_COUNTS, put, without_markup

FIELDS: Final = ("title", "text")

_STRAIGHT: Final = {
    **dict.fromkeys("‘’‚‛′`´ʼ", "'"),
    **dict.fromkeys("“”„‟″«»", '"'),
    **dict.fromkeys("‐‑‒–—―−", "-"),
}
"""Typographic quotes and dashes, and what a keyboard would have given. NFKC leaves them alone."""

_JOINED: Final = (
    r"[\p{Arabic}\p{Syriac}\p{Devanagari}\p{Bengali}\p{Gurmukhi}\p{Gujarati}\p{Oriya}\p{Tamil}\p{Telugu}\p{Kannada}"
    r"\p{Malayalam}\p{Sinhala}\p{Khmer}\p{Myanmar}\p{Mongolian}\p{Tibetan}]\p{M}*[\x{200C}\x{200D}]"
    r"|[\p{Extended_Pictographic}\p{Emoji_Modifier}]\x{FE0F}?\x{200D}|\x{1F3F4}[\x{E0020}-\x{E007F}]+"
)
"""Joiners that spell: in Arabic and Indic scripts, in emoji of several people, in flags of regions."""
_INVISIBLE: Final = rf"({_JOINED})|[\p{{Cf}}\p{{Co}}\p{{Cn}}\x{{FFFD}}]"
"""What spells, and the zero-width, direction-marking and private characters that do not."""
_BLANK: Final = r"[\s\p{Cc}\p{Z}]+"  # a control character separates words, as a blank does
_SMALL_FIGURES: Final = "\u00b2\u00b3\u00b9\u00bc-\u00be\u2070-\u208e\u2150-\u215e"
"""Superscripts, subscripts and fractions: NFKC would make 102 of 10² and 31/2 of 3½."""
ROUNDS: Final = 8
"""Most rounds over a text. The 53,793 published articles at hand settle within three. Markup in markup ("&amp;amp;amp;") takes
as many as it is deep, and each reads the whole text: without a bound, one text of 200,000 characters took many minutes."""

_RAW, _NORMAL, _RARE = "raw", "normal", "rare"


def _tidy(value: pl.Expr) -> pl.Expr:
    return value.str.replace_all(_BLANK, " ").str.strip_chars(" ")


def _plain(value: pl.Expr) -> pl.Expr:
    """Straight quotes and dashes, no invisible characters, single blanks."""
    return _tidy(value.str.replace_many(_STRAIGHT).str.replace_all(_INVISIBLE, "$1"))


# Made once: to make an expression takes as long as to apply it to a few titles.
_NORMALISE: Final = (
    _plain(pl.col(_RAW).str.normalize("NFKC")).alias(_NORMAL),
    pl.col(_RAW).str.contains(rf"{MARKUP}|[{_SMALL_FIGURES}]").alias(_RARE),
)
_PLAIN: Final = _plain(pl.col(_RAW))
_TIDY: Final = _tidy(pl.col(_RAW))


class BoilerplateRule(BaseModel):
    """One piece of publisher boilerplate and where it is removed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, description="Name in the metadata.")
    field: Literal["title", "text", "both"] = Field(description="Where it is removed.")
    pattern: str = Field(min_length=1, description="Rust regular expression; every match is removed.")

    @model_validator(mode="after")
    def _compiles(self) -> Self:
        try:
            pl.Series([""]).str.contains(self.pattern)
        except pl.exceptions.ComputeError as error:
            raise ValueError(f"rule {self.name!r}: not a Rust regular expression: {error}") from error
        return self

    def applies_to(self, field: str) -> bool:
        """Whether this rule is for `field`."""
        return self.field in (field, "both")


def read_rules(path: Path) -> tuple[BoilerplateRule, ...]:
    """The rules of a TOML table of boilerplate. Raises ValueError that names the file and the fault."""
    try:
        rules = tomllib.loads(path.read_text(encoding="utf-8"))["rule"]
        return tuple(BoilerplateRule.model_validate(rule) for rule in rules)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path}: not a table of boilerplate ([[rule]] name, field, pattern): {error}"
        ) from error


def default_rules() -> tuple[BoilerplateRule, ...]:
    """The boilerplate rules of the project (`boilerplate.toml`)."""
    return read_rules(Path(str(files("fakenews_assets.data.text") / "boilerplate.toml")))


class Prepared(NamedTuple):
    """What `TextPreparation` makes of articles."""

    articles: pl.DataFrame
    counts: dict[str, int]
    """In how many titles and texts each rule and each kind of markup was found."""
    nested: pl.Series
    """Whether more would go in another round: markup or boilerplate lies in more than `ROUNDS` layers. Booleans."""


class TextPreparation(BaseModel):
    """Normalisation and boilerplate removal with fixed settings; a pure function of its input.

    It is idempotent, `apply(apply(x)) == apply(x)`, for articles that are not `nested`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[2] = 2
    rules: tuple[BoilerplateRule, ...] = Field(default_factory=default_rules)

    def apply(self, articles: pl.DataFrame) -> pl.DataFrame:
        """Prepare the columns `title` and `text`; null becomes the empty string.

        Args:
            articles: any frame with string columns `title` and `text`.

        Returns:
            The same frame, same rows, same order, with both columns replaced.
        """
        return self.apply_counting(articles).articles

    def apply_counting(self, articles: pl.DataFrame) -> Prepared:
        """Like `apply`, and tell what was found."""
        counts = dict.fromkeys((*MARKUP_COUNTS, *(rule.name for rule in self.rules)), 0)
        columns = []
        nested = np.zeros(len(articles), dtype=np.bool_)
        for field in FIELDS:
            rules = tuple(rule for rule in self.rules if rule.applies_to(field))
            column = articles[field].fill_null("")
            held = column != ""
            todo, before = np.flatnonzero(held), column.filter(held)
            # To a fixed point, because one boilerplate can hide another: "BREAKING: Tax bill passes [VIDEO] - CNN",
            # "&amp;amp;". Only what a round changed goes round again.
            for _ in range(ROUNDS):
                if not len(todo):
                    break
                after = _one_round(before, rules, counts)
                changed = before != after
                todo, before = todo[changed], after.filter(changed)
                column = put(column, todo, before)
            nested[todo] = True
            columns.append(column.alias(field))
        return Prepared(articles.with_columns(columns), counts, pl.Series(nested))


def _one_round(column: pl.Series, rules: tuple[BoilerplateRule, ...], counts: dict[str, int]) -> pl.Series:
    """Texts in normal form (no markup, NFKC, straight quotes, single blanks), then without boilerplate."""
    # Few queries over all that may be there: each one costs more than its search does in a few titles.
    normal, rare = column.to_frame(_RAW).select(_NORMALISE).get_columns()
    if rare.any():
        unmarked = _compatible(without_markup(column.filter(rare), counts))
        normal = put(normal, rare, unmarked.to_frame(_RAW).select(_PLAIN).to_series())
    held = normal.to_frame().select(_holds_any(tuple(rule.pattern for rule in rules))).to_series()
    if held.any():
        normal = put(normal, held, _strip_in_turn(normal.filter(held), rules, counts))
    return normal


@lru_cache
def _holds_any(patterns: tuple[str, ...]) -> pl.Expr:
    return pl.any_horizontal([pl.lit(False), *(pl.col(_NORMAL).str.contains(one) for one in patterns)])


def _strip_in_turn(
    column: pl.Series, rules: tuple[BoilerplateRule, ...], counts: dict[str, int]
) -> pl.Series:
    for rule in rules:
        hits = column.str.contains(rule.pattern)
        if hits.any():
            counts[rule.name] += int(hits.sum())
            stripped = column.filter(hits).str.replace_all(rule.pattern, "")
            column = put(column, hits, stripped.to_frame(_RAW).select(_TIDY).to_series())
    return column


def _compatible(column: pl.Series) -> pl.Series:
    """NFKC, which leaves small figures alone."""
    # Not by `unicodedata`, which takes half a minute for 200,000 accents on one letter.
    return pl.Series(
        column.name, [_normalised_between_small_figures(value) for value in column], dtype=pl.String
    )


def _normalised_between_small_figures(value: str) -> str:
    parts = re.split(f"([{_SMALL_FIGURES}]+)", value)
    parts[::2] = pl.Series(parts[::2]).str.normalize("NFKC")
    return "".join(parts)
