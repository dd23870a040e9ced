"""Words that files write for a missing value."""

from typing import Final

import polars as pl

_MISSING: Final = (
    "<na>", "n/a", "na", "nan", "-nan", "nat", "none", "null", r"\n",
    "#n/a", "#n/a n/a", "#na", "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan", "[removed]", "[deleted]",
)  # fmt: skip
"""Words for a missing value: those that pandas reads as missing by default, `NaT`, the `\\N` of databases, and what news
APIs and forums put in the place of what was taken down. Such a word is no headline, and as a text it would link unrelated
articles."""

MISSING_VALUE: Final = rf"(?i)^\s*(?:{'|'.join(map(pl.escape_regex, _MISSING))})\s*$"
"""Matches such a word, whatever its case and the blanks around it."""


def is_missing(value: str) -> bool:
    """Whether a text without surrounding blanks is empty or a word for a missing value."""
    return not value or value.lower() in _MISSING
