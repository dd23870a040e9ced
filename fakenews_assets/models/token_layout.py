"""Tokenised articles, and where an encoder wants its special tokens."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from fakenews_assets.models.ragged import Ragged


@dataclass(frozen=True, slots=True)
class TokenTable:
    """Tokenised articles, without special tokens."""

    titles: Ragged
    texts: Ragged

    def __len__(self) -> int:
        return len(self.titles.lengths)


@dataclass(frozen=True, slots=True)
class Layout:
    """Special tokens around a single title and around a pair, read from the tokenizer."""

    prefix: NDArray[np.int64]
    middle: NDArray[np.int64]
    suffix: NDArray[np.int64]
    single_suffix: NDArray[np.int64]
    segment_of_middle: int
    segment_of_text: int

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> "Layout":
        """Probe a tokenizer with a pair and with a single input.

        Args:
            tokenizer: without padding, which would pass for special tokens (some tokenizer files ask for it).

        Raises:
            ValueError: the tokenizer puts special tokens elsewhere than before, between and after.
        """
        pair = tokenizer.encode("a", "b")
        single = tokenizer.encode("a")
        runs = _special_runs(pair.special_tokens_mask)
        single_runs = _special_runs(single.special_tokens_mask)
        if len(runs) != 3 or len(single_runs) != 2 or not runs[1]:
            raise ValueError(
                "The tokenizer does not join a pair as <prefix> title <middle> text <suffix>;"
                " choose a BERT-like encoder."
            )
        ids, segments = np.array(pair.ids, dtype=np.int64), pair.type_ids
        prefix, middle, suffix = (ids[run] for run in runs)
        return cls(
            prefix=prefix,
            middle=middle,
            suffix=suffix,
            single_suffix=np.array(single.ids, dtype=np.int64)[single_runs[1]],
            segment_of_middle=segments[runs[1][0]],
            segment_of_text=segments[runs[1][-1] + 1],
        )

    @property
    def pair_overhead(self) -> int:
        """Special tokens of a pair."""
        return len(self.prefix) + len(self.middle) + len(self.suffix)

    @property
    def single_overhead(self) -> int:
        """Special tokens of a title alone."""
        return len(self.prefix) + len(self.single_suffix)


def _special_runs(mask: Sequence[int]) -> list[list[int]]:
    """Group the positions of special tokens by the content tokens between them."""
    runs: list[list[int]] = [[]]
    inside_content = False
    for position, special in enumerate(mask):
        if special:
            if inside_content:
                runs.append([])
            runs[-1].append(position)
        inside_content = not special
    return runs
