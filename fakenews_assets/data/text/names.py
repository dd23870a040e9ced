"""Finds names of people, places and organisations without a model, to mask or swap them.

English writes names with a capital inside a sentence and other words without. A word that the corpus nearly always
writes so is taken for a name; it is then found in any casing, in headlines of all capitals too (the statistic of
Lita et al., "tRuEcasIng", ACL 2003).
"""

import re
from collections import Counter
from typing import Final, Self

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

MASK: Final = "[MASK]"
"""Replaces a name; BERT's tokenizers have it as one token."""

_WORD: Final = re.compile(r"(?:[^\W\d_]\.){2,}(?:'s)?|[^\W\d_](?:['.]?\w)*")
"""An abbreviation keeps its last stop. A hyphen ends a word, so that the name in "Trump-backed" is found."""
_SENTENCE_END: Final = re.compile(r"[.!?:;\"'(|]\s*$|(?:^|\s)-+\s*$|^\s*$")
"""What a word follows that begins a sentence: a dash does, a hyphen does not."""
_NO_NAMES: Final = frozenset({"i", "i'm", "i'd", "i'll", "i've"})
"""Capitalised words that are not names."""
_POSSESSIVE: Final = re.compile(r"'s$", re.IGNORECASE)
_HEADLINE_CASE: Final = 0.6
"""A line with a larger share of capitalised words says nothing about any one of them."""
_READ_CHARACTERS: Final = 500
"""Most characters of a text that are searched; names repeat, and most occur early."""


class Names(BaseModel):
    """Words that are names, in lower case."""

    model_config = ConfigDict(frozen=True)

    words: frozenset[str] = Field(description="Lower case, without a possessive ending.")

    @classmethod
    def learn(cls, articles: pl.DataFrame, *, minimum: int = 3, share: float = 0.8) -> Self:
        """Learn the names of a corpus from its casing.

        Args:
            articles: columns `title` and `text`; training rows only, or the test rows are looked at.
            minimum: least number of capitalised occurrences inside a sentence.
            share: least share of the occurrences inside a sentence that are capitalised.
        """
        capital: Counter[str] = Counter()
        small: Counter[str] = Counter()
        for column in (articles["title"], articles["text"].str.slice(0, _READ_CHARACTERS)):
            for line in column:
                _count(line, capital, small)
        return cls(
            words=frozenset(
                word
                for word, count in capital.items()
                if count >= minimum and count >= share * (count + small[word]) and word not in _NO_NAMES
            )
        )

    def mask(self, lines: pl.Series, mask: str = MASK) -> pl.Series:
        """Mask every name; consecutive names share one mask."""
        runs = re.compile(rf"{re.escape(mask)}(?:\s+{re.escape(mask)})+")

        def masked(line: str) -> str:
            hidden = _WORD.sub(lambda found: mask if self.holds(found.group()) else found.group(), line)
            return runs.sub(lambda _: mask, hidden)

        return pl.Series(lines.name, [masked(line) for line in lines], dtype=pl.String)

    def swap(self, lines: pl.Series, seed: int) -> pl.Series:
        """Replace every name by another one, drawn from all known names."""
        if not self.words:
            return lines
        others = sorted(self.words)
        rng = np.random.default_rng(seed)

        def swapped(found: re.Match[str]) -> str:
            word = found.group()
            if not self.holds(word):
                return word
            other = others[rng.integers(len(others))]
            ending = _POSSESSIVE.search(word)
            cased = other.upper() if word.isupper() and len(word) > 1 else other.capitalize()
            return cased + (ending.group() if ending else "")

        return pl.Series(lines.name, [_WORD.sub(swapped, line) for line in lines], dtype=pl.String)

    def only(self, lines: pl.Series) -> pl.Series:
        """Only the names of a text, in order and in lower case."""
        return pl.Series(
            lines.name,
            [" ".join(_bare(word) for word in _WORD.findall(line) if self.holds(word)) for line in lines],
            dtype=pl.String,
        )

    def holds(self, word: str) -> bool:
        """Whether a word, in whatever casing, is a name."""
        return _bare(word) in self.words


def _count(line: str, capital: Counter[str], small: Counter[str]) -> None:
    words = list(_WORD.finditer(line))
    if sum(word.group()[0].isupper() for word in words) > _HEADLINE_CASE * len(words):
        return
    for word in words:
        # A few characters before the word tell; whole prefixes would make long lines quadratic.
        if not _SENTENCE_END.search(line[max(word.start() - 5, 0) : word.start()]):
            (capital if word.group()[0].isupper() else small)[_bare(word.group())] += 1


def _bare(word: str) -> str:
    return _POSSESSIVE.sub("", word.lower()).rstrip(".'")
