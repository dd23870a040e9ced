"""What the records of a file have in common, which tells a record from a line of a text."""

import re
from collections.abc import Sequence
from typing import Final

_ENOUGH: Final = 20
"""Records from which a shape is learned, and the last of those that teach it."""
_LAST: Final = 1_000
_MOST_FORMS: Final = 10
"""A column whose values have more forms holds free text, and tells nothing."""
_FREE_TEXT: Final = 60
"""Characters of a value that has no form."""
_LETTERS: Final = re.compile(r"[^\W\d_]+")
_DIGITS: Final = re.compile(r"\d+")


class RecordShape:
    """The forms of the values in each column, such as digits, a date or one of a few words.

    Args:
        columns: how many there are.
    """

    def __init__(self, columns: int) -> None:
        self._forms: list[set[str]] = [set() for _ in range(columns)]
        self._words: list[set[str]] = [set() for _ in range(columns)]
        self._free = [False] * columns
        self._learned = 0

    def learn(self, cells: Sequence[str]) -> None:
        """Take a record that is one for sure."""
        if self._learned == _LAST:
            return
        self._learned += 1
        for at, cell in enumerate(cells):
            if self._free[at]:
                continue
            self._words[at].add(cell)
            self._forms[at].add(_form(cell))
            self._free[at] = len(cell) > _FREE_TEXT or len(self._forms[at]) > _MOST_FORMS

    @property
    def tells(self) -> bool:
        """Whether some column tells records from lines of a text."""
        return self._learned >= _ENOUGH and not all(self._free)

    def fits(self, cells: Sequence[str]) -> bool:
        """Whether the values of a line have the forms of their columns; in a column of few words, whether they are these."""
        return all(
            self._free[at]
            or (cell in self._words[at] if self._is_of_few_words(at) else _form(cell) in self._forms[at])
            for at, cell in enumerate(cells)
        )

    def differs(self, cells: Sequence[str]) -> bool:
        """Whether some value is none of the few words of its column, or has letters where the others have none."""
        return any(
            cell not in self._words[at]
            if self._is_of_few_words(at)
            else "a" in _form(cell) and not any("a" in form for form in self._forms[at])
            for at, cell in enumerate(cells)
            if not self._free[at]
        )

    def _is_of_few_words(self, at: int) -> bool:
        return len(self._words[at]) <= self._learned // 5


def _form(value: str) -> str:
    """A value with one sign for each run of letters, and one for each run of digits."""
    return _DIGITS.sub("9", _LETTERS.sub("a", value.strip()))
