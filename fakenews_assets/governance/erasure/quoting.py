"""A title or a text, however a file may spell it."""

import html
import json
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Final

TEXTS: Final = ("title", "text")
"""Columns that hold what an article says."""
TELLING_CHARS: Final = 16
"""A shorter title says too little to be looked for by its letters."""


def spellings(titles: Collection[str]) -> set[str]:
    """The titles that say enough: as they are, and as JSON, CSV and HTML write them."""
    return {
        form
        for title in titles
        if len(title) >= TELLING_CHARS
        for form in (
            title,
            json.dumps(title)[1:-1],
            json.dumps(title, ensure_ascii=False)[1:-1],
            title.replace('"', '""'),
            html.escape(title),
        )
    }


@dataclass(frozen=True)
class Wording:
    """Titles and texts of an article, as received and as cleaned."""

    titles: frozenset[str] = frozenset()
    texts: frozenset[str] = frozenset()

    def __or__(self, other: "Wording") -> "Wording":
        return Wording(self.titles | other.titles, self.texts | other.texts)

    @cached_property
    def forms(self) -> frozenset[str]:
        """Titles and texts that say enough, as files spell them."""
        return frozenset(spellings(self.titles | self.texts))

    def stands_in_part_in(self, line: str) -> bool:
        """Whether a line holds TELLING_CHARS successive characters of a title or a text."""
        return any(run in self._runs for run in _runs(line))

    @cached_property
    def _runs(self) -> frozenset[str]:
        return frozenset(run for form in self.forms for run in _runs(form))


def _runs(text: str) -> Collection[str]:
    return [text[at : at + TELLING_CHARS] for at in range(len(text) - TELLING_CHARS + 1)]
