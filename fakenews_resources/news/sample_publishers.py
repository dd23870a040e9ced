"""The publishers of the generated corpus: what they print, whom they lean to, and how their pages look.

As in real corpora, a publisher prints nearly always one label, and each has a style of its own, which tells a model
nothing about other publishers. Domains end in `.example`, which nobody can register.
"""

import functools
from dataclasses import dataclass
from typing import Final

import numpy as np

from fakenews_resources.news.sample_grammar import read_vocabulary

KINDS: Final = {
    # kind: share of all rows, chance that an article of such a publisher is fake
    "reliable": (0.50, 0.03),
    "unreliable": (0.42, 0.95),
    "mixed": (0.08, 0.5),
}
FAKE_SHARE: Final = sum(share * fake for share, fake in KINDS.values())

_TAIL: Final = 0.35
"""Exponent of the rank-frequency law of the publishers of a kind: the largest has 4 % of all rows, the smallest 1 %."""


@dataclass(frozen=True)
class Publisher:
    """One publisher and the habits of its house."""

    name: str
    leaning: str
    """`left`, `center` or `right`. Most unreliable ones lean right: a model can score by telling leaning instead."""
    share: float
    """Of all rows."""
    fake: float
    """Chance that one of its articles is fake."""
    title_case: bool
    """Writes Headlines Like This."""
    capitals: bool
    """SHOUTS a word or two of most headlines."""
    exclaims: bool

    @property
    def domain(self) -> str:
        """What `source` says."""
        return f"{self.name.lower().replace(' ', '')}.example"


@functools.cache
def load_publishers() -> tuple[Publisher, ...]:
    """Read the packaged publishers."""
    found = []
    for kind, by_leaning in read_vocabulary()["publishers"].items():
        share, fake = KINDS[kind]
        named = [
            (name.strip(), leaning) for leaning, names in by_leaning.items() for name in names.split(",")
        ]
        # Interleaved, so that no leaning has all the large ones.
        named.sort(key=lambda one: one[0])
        weights = np.arange(1, len(named) + 1, dtype=np.float64) ** -_TAIL
        shares = (share * weights / weights.sum()).tolist()
        loud = kind != "reliable"
        for rank, ((name, leaning), part) in enumerate(zip(named, shares, strict=True)):
            found.append(
                Publisher(
                    name=name,
                    leaning=leaning,
                    share=part,
                    fake=fake,
                    title_case=rank % 5 < (3 if loud else 1),
                    capitals=rank % 2 == 0 if loud else rank % 8 == 7,
                    exclaims=loud and rank % 3 == 1,
                )
            )
    return tuple(found)
