"""Loads a champion and warms it up."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from bentos.fakenews.model.describing import describe
from bentos.fakenews.schemas import EXAMPLE_TITLE, ModelOut
from bentos.fakenews.settings import ServiceSettings
from fakenews_assets.models.classifier import Article
from fakenews_assets.models.runtimes.loading import words_read
from fakenews_assets.registry.champion import Pointer
from fakenews_assets.registry.scorer import Scorer
from fakenews_resources.storage.backend import Backend

_WARM_UP_ROWS: Final = (1, 4, 8, 16)
_WARM_UP_WORDS: Final = (3, 8, 14, 22, 34)


class NoModel(RuntimeError):
    """There is no champion to serve."""


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """A loaded champion."""

    scorer: Scorer
    pointer: Pointer
    described: ModelOut
    card: str
    """Its model card as a page."""
    reads_text: bool
    """Whether it reads the text, beside the title."""
    words_read: int
    """No less than the words that it reads."""


def load(models: Backend, pointer: Pointer, settings: ServiceSettings) -> Served:
    """Open a champion's bundle. A model that cannot answer raises whatever its runtime does."""
    with _no_garbage_collection():
        scorer = Scorer.open(models.fetch(pointer.bundle))
        scorer.score([Article(EXAMPLE_TITLE)])  # a model that cannot answer is none
    described, card = describe(scorer.bundle, pointer, settings)
    bundle = scorer.bundle
    return Served(scorer, pointer, described, card, bundle.reads_text, words_read(bundle.model))


def warm_up(scorer: Scorer) -> None:
    """Score batches of a few sizes, for a second at most. The first answers of a model are slow.

    More sizes are not worth their while: one that a runtime meets for the first time takes a seventh longer that once.
    """
    words = EXAMPLE_TITLE.split()
    for count in _WARM_UP_WORDS:
        title = " ".join(words[word % len(words)] for word in range(count))
        for rows in _WARM_UP_ROWS:
            scorer.score([Article(title)] * rows)
    _keep_what_is_loaded()


def _keep_what_is_loaded() -> None:
    """Take what is in memory now out of garbage collection, which would hold up requests, 0.2 s each time."""
    gc.collect()
    gc.freeze()


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Importing the libraries of the first model makes a million objects. Looking for garbage among them took a fifth of
    the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
