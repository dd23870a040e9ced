"""Style of articles: how often signs, capitals, figures, long words and the like occur."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

_WORD: Final = re.compile(r"\w+")
_SIGNS: Final = ".,;:!?\"'()-$%&[]/#@*…"
_ENDS: Final = ".!?"
_SHAPES: Final = 9

FEATURES: Final = len(_SIGNS) + _SHAPES
_LIMIT: Final = 4.0
"""Bound of a standardized feature: one article of nothing but signs proves little."""


def style_features(lines: Iterable[str]) -> NDArray[np.float64]:
    """Roots of the shares of signs among the tokens, and of shapes of words among the words.

    Returns:
        Shape [lines, FEATURES]; an empty line is not a number in any feature.
    """
    rows = [_of_line(line) for line in lines]
    return np.sqrt(np.array(rows, dtype=np.float64).reshape(-1, FEATURES))


def _of_line(line: str) -> list[float]:
    words = _WORD.findall(line)
    lengths = list(map(len, words))
    letters = sum(lengths)
    # What is neither blank nor part of a word is a sign, and each sign is a token.
    tokens = len(words) + sum(map(len, line.split())) - letters
    if not tokens:
        return [np.nan] * FEATURES
    count = max(len(words), 1)
    times = {sign: line.count(sign) for sign in _SIGNS}
    capitals = [length for length in map(len, filter(str.isupper, words)) if length > 1]
    shapes = (
        len(capitals),
        sum(length > 3 for length in capitals),
        sum(word[0].isupper() for word in words),
        sum(map(str.isdigit, words)),
        sum(length > 7 for length in lengths),
        sum(length < 4 for length in lengths),
        len(set(map(str.lower, words))),
        letters,
    )
    return [
        *(number / tokens for number in times.values()),
        *(shape / count for shape in shapes),
        len(words) / max(sum(times[end] for end in _ENDS), 1),
    ]


@dataclass(frozen=True)
class Standardization:
    """What makes the features of articles alike in size; shape [features] each."""

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]

    @classmethod
    def fit(cls, features: NDArray[np.float64]) -> Self:
        """Measure the features of training articles, shape [articles, features], as far as they are numbers."""
        known = ~np.isnan(features)
        rows = known.sum(axis=0).clip(1)
        mean = np.where(known, features, 0).sum(axis=0) / rows
        deviation = np.sqrt((np.where(known, features - mean, 0) ** 2).sum(axis=0) / rows)
        # A feature that hardly varies is rounding errors, and must not be divided by them.
        return cls(mean, np.where(deviation > 1e-6, deviation, 1))

    def apply(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Standardize features; what is not a number becomes 0, the mean."""
        standardized = (features - self.mean) / self.deviation
        return np.nan_to_num(standardized).clip(-_LIMIT, _LIMIT)
