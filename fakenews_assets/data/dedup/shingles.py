"""Stable 64-bit hashes of word shingles, vectorised over rows.

A shingle is a run of consecutive words. Its hash is that of its bytes, so it depends on no library's hash
function and on no vocabulary: sum of byte[i] * P^i modulo 2^64 (Karp and Rabin, "Efficient randomized
pattern-matching algorithms", 1987), made position-free by P^-start and then mixed. Prefix sums give every
shingle's sum by one subtraction.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

_BASE: Final = 0x9E3779B97F4A7C15
"""P: odd, so that it has an inverse modulo 2^64 (2^64 divided by the golden ratio)."""

_SPACE: Final = ord(" ")
_NEWLINE: Final = ord("\n")


@dataclass(frozen=True)
class Shingles:
    """Shingle hashes of consecutive rows: row i holds `hashes[offsets[i]:offsets[i + 1]]`."""

    hashes: NDArray[np.uint64]
    offsets: NDArray[np.int64]

    def distinct(self) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """The set of each row: upper halves of its hashes, each once and sorted, and the sets' sizes.

        Half a hash is enough to compare two rows: among 250 shingles two are confused with probability
        250^2 / 2^33, that is about 1 in 100,000.
        """
        rows = len(self.offsets) - 1
        row = np.repeat(np.arange(rows, dtype=np.uint64), np.diff(self.offsets))
        keys = np.sort((row << np.uint64(32)) | (self.hashes >> np.uint64(32)))
        keys = keys[np.concatenate([[True], keys[1:] != keys[:-1]])] if len(keys) else keys
        sizes = np.bincount((keys >> np.uint64(32)).astype(np.int64), minlength=rows)
        return keys.astype(np.uint32), sizes


def mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread every bit over the whole word: the finaliser of splitmix64 (Steele, Lea and Flood, 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def hash_shingles(texts: pl.Series, shingle_words: int, max_words: int) -> Shingles:
    """Hash the shingles among the first `max_words` words of each text.

    Args:
        texts: words separated by single spaces, without line breaks; "" for no words.
        shingle_words: words in a shingle; a text with fewer has no shingle.
        max_words: words of a text that are looked at.
    """
    rows = len(texts)
    data = np.frombuffer(("\n".join(texts) + "\n").encode(), dtype=np.uint8)
    line_ends = np.flatnonzero(data == _NEWLINE)[:rows]
    ends = np.flatnonzero((data == _SPACE) | (data == _NEWLINE))
    starts = np.concatenate([[0], ends[:-1] + 1])
    # An empty line is one separator too: it ends a "word" of no bytes.
    words = np.diff(np.searchsorted(ends, line_ends, side="right"), prepend=0)
    first_word = np.cumsum(words) - words
    empty = ends[first_word] == starts[first_word]
    shingles = np.where(empty, 0, np.maximum(np.minimum(words, max_words) - shingle_words + 1, 0))
    offsets = np.concatenate([[0], np.cumsum(shingles)])
    first = np.arange(offsets[-1]) + np.repeat(first_word - offsets[:-1], shingles)
    begin, end = starts[first], ends[first + shingle_words - 1]
    powers, inverses = _powers(1 << len(data).bit_length())
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(data * powers[: len(data)], dtype=np.uint64)])
    return Shingles(mix((sums[end] - sums[begin]) * inverses[begin]), offsets)


@lru_cache(maxsize=8)
def _powers(length: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """P^0 .. P^(length - 1) and their inverses modulo 2^64."""

    def powers_of(base: int) -> NDArray[np.uint64]:
        factors = np.full(length, base, dtype=np.uint64)
        factors[0] = 1
        return np.cumprod(factors)

    return powers_of(_BASE), powers_of(pow(_BASE, -1, 2**64))
