"""Explanation by occlusion: the weight of a word is the change of the probability without it.

Occlusion (Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014), for words as in Li,
Monroe and Jurafsky ("Understanding Neural Networks through Representation Erasure", 2016).
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

from fakenews_assets.models.classifier import Article

MAX_WORDS: Final = 64
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


def occlusions(article: Article, *, with_text: bool, words_read: int) -> tuple[list[Occlusion], bool]:
    """Leave out every word once.

    Args:
        article: as asked.
        with_text: whether the model reads the text.
        words_read: no less than the words that the model reads.

    Returns:
        In reading order, at most MAX_WORDS; and whether the model read more words.
    """
    found: list[Occlusion] = []
    for field in ("title", "text") if with_text else ("title",):
        value = article.title if field == "title" else article.text
        for match in _WORD.finditer(value):
            if len(found) == min(MAX_WORDS, words_read):
                return found, words_read > MAX_WORDS
            rest = value[: match.start()] + value[match.end() :]
            without = Article(rest, article.text) if field == "title" else Article(article.title, rest)
            found.append(Occlusion(field, match.group(), match.start(), match.end(), without))
    return found, False
