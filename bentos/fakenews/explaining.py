"""Explanation by occlusion: the weight of a word is the change of the probability without it.

Occlusion (Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014), for words as in Li,
Monroe and Jurafsky ("Understanding Neural Networks through Representation Erasure", 2016).
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

from fakenews_assets.models.classifier import Article

MAX_WORDS: Final = 96
"""Most words that are left out in turn, title first: each costs a prediction of the whole article."""

_WORD: Final = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Occlusion:
    """A word, and the article without it."""

    field: Literal["title", "text"]
    word: str
    start: int
    end: int
    without: Article


def occlusions(article: Article, *, with_text: bool) -> tuple[list[Occlusion], bool]:
    """Leave out every word once.

    Args:
        article: as asked.
        with_text: whether the model reads the text.

    Returns:
        In reading order, at most MAX_WORDS; and whether there were more words.
    """
    found: list[Occlusion] = []
    for field in ("title", "text") if with_text else ("title",):
        value = article.title if field == "title" else article.text
        for match in _WORD.finditer(value):
            if len(found) == MAX_WORDS:
                return found, True
            rest = value[: match.start()] + value[match.end() :]
            without = Article(rest, article.text) if field == "title" else Article(article.title, rest)
            found.append(Occlusion(field, match.group(), match.start(), match.end(), without))
    return found, False
