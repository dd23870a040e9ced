"""Splits many texts into words and signs at once, by array arithmetic; a word is known by its hash alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

_CODES: Final = 0x110000
_SIGN, _WORD = 1, 2

_BASE: Final = np.uint64(0x9E3779B97F4A7C15)
"""Odd, so that it has an inverse modulo 2 ** 64."""
_PAIR: Final = np.uint64(0xD6E8FEB86659FD93)


@dataclass(frozen=True, slots=True)
class Words:
    """The words and signs of some texts, one text after the other."""

    hashes: NDArray[np.uint64]
    """Shape [words]. The same word has the same hash everywhere."""
    counts: NDArray[np.int64]
    """Words of each text, shape [texts]."""
    begins: NDArray[np.int64]
    """Where each word begins in `joined`, shape [words]."""
    ends: NDArray[np.int64]
    joined: str

    def heads(self, limit: int) -> "Words":
        """The first `limit` words of each text."""
        starts = np.cumsum(self.counts) - self.counts
        kept = np.arange(len(self.hashes)) - np.repeat(starts, self.counts) < limit
        counts = np.minimum(self.counts, limit)
        return Words(self.hashes[kept], counts, self.begins[kept], self.ends[kept], self.joined)

    def pairs(self) -> "Words":
        """Each word with the one after it, within each text."""
        last = np.cumsum(self.counts)[self.counts > 0] - 1
        first = np.delete(np.arange(len(self.hashes)), last)
        hashes = self.hashes[first] * _PAIR + self.hashes[first + 1]
        counts = np.maximum(self.counts - 1, 0)
        return Words(hashes, counts, self.begins[first], self.ends[first + 1], self.joined)


def split_words(texts: Sequence[str]) -> Words:
    r"""What the expression `\w+|[^\w\s]` finds in each text, in its order.

    A word's hash is a polynomial of its characters modulo 2 ** 64, so that the difference of two prefix sums gives that of
    any word (Karp and Rabin, "Efficient randomized pattern-matching algorithms", 1987).
    """
    joined = "".join(f"{text}\n" for text in texts)
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    kinds = _kinds()[codes]
    in_word = np.zeros(len(kinds) + 2, dtype=np.bool_)
    np.equal(kinds, _WORD, out=in_word[1:-1])
    sign = kinds == _SIGN
    begins = np.flatnonzero(sign | (in_word[1:-1] & ~in_word[:-2]))
    ends = np.flatnonzero(sign | (in_word[1:-1] & ~in_word[2:])) + 1
    powers, inverses = _powers(1 << len(codes).bit_length())
    sums = np.zeros(len(codes) + 1, dtype=np.uint64)
    np.cumsum(_mixed()[codes] * powers[: len(codes)], out=sums[1:])
    hashes = (sums[ends] - sums[begins]) * inverses[begins]
    limits = np.cumsum([len(text) + 1 for text in texts])
    counts = np.diff(np.searchsorted(begins, limits), prepend=0)
    return Words(hashes, counts, begins, ends, joined)


@cache
def _kinds() -> NDArray[np.uint8]:
    """By code point: 0 for a blank, `_SIGN`, or `_WORD`."""
    characters = map(chr, range(_CODES))
    return np.array(
        [_WORD if one.isalnum() or one == "_" else _SIGN * (not one.isspace()) for one in characters],
        dtype=np.uint8,
    )


@cache
def _mixed() -> NDArray[np.uint64]:
    """By code point: a number that looks random (the finalizer of splitmix64; Steele, Lea and Flood, 2014)."""
    mixed = np.arange(1, _CODES + 1, dtype=np.uint64) * _BASE
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


@cache
def _powers(length: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """The powers of `_BASE` from 0 on, and their inverses modulo 2 ** 64; shape [length] each."""
    inverse = np.uint64(pow(int(_BASE), -1, 1 << 64))
    return _multiples(_BASE, length), _multiples(inverse, length)


def _multiples(factor: np.uint64, length: int) -> NDArray[np.uint64]:
    factors = np.full(length, factor, dtype=np.uint64)
    factors[0] = 1
    return np.multiply.accumulate(factors)
