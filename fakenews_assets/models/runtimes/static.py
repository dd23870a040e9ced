"""A static student: the mean of an embedding for each word and pair of words, and a small head. No encoder runs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from scipy.sparse import csr_matrix
from scipy.special import expit

from fakenews_assets.common import progress
from fakenews_assets.models.classifier import Article, Predictions
from fakenews_assets.models.ragged import Ragged
from fakenews_assets.models.settings import StaticInputs
from fakenews_assets.models.words import Words, split_words

STATIC_FILE: Final = "static.json"
_ARRAYS_FILE: Final = "static.safetensors"

UNKNOWN: Final = 0
"""Row of all words that the vocabulary lacks. Its terms have the rows after it."""

_CHARS_PER_WORD: Final = 8
"""At which a title or text is cut before it is split. In English a word or sign has five, with its blank."""

_ROWS_AT_ONCE: Final = 64
"""Articles whose arrays fit a processor's cache."""


class Vocabulary:
    """Finds the rows of terms by their hashes."""

    def __init__(self, hashes: NDArray[np.uint64]) -> None:
        """Index terms by their hashes, ascending and each once; shape [terms]."""
        self.hashes = hashes
        # Buckets by the leading bits, at least four for a term: the few terms of one are compared one after the other.
        bits = len(hashes).bit_length() + 2
        self._shift = np.uint64(64 - bits)
        counts = np.bincount((hashes >> self._shift).astype(np.int64), minlength=1 << bits)
        self._starts = (np.cumsum(counts) - counts).astype(np.int32)
        self._fullest = int(counts.max())

    def rows(self, hashes: NDArray[np.uint64]) -> NDArray[np.int32]:
        """The row of each term, shape [terms asked for]; `UNKNOWN` where there is none."""
        found = np.full(len(hashes), UNKNOWN, dtype=np.int32)
        place = self._starts[hashes >> self._shift]
        for step in range(self._fullest):
            at = np.minimum(place + step, len(self.hashes) - 1)
            np.copyto(found, at + 1, where=self.hashes[at] == hashes)
        return found


@dataclass(frozen=True, slots=True)
class Bags:
    """What is counted of some texts."""

    terms: Ragged
    """Rows of the words, and of the pairs of neighbours that the vocabulary has."""
    words: NDArray[np.int64]
    """Number of words read, shape [texts]."""
    truncated: NDArray[np.bool_]
    """Whether the text has more words than are read, shape [texts]."""


def read_words(texts: Sequence[str], max_words: int) -> tuple[Words, NDArray[np.bool_]]:
    """The words in the beginning of each text, and whether it has more, shape [texts]."""
    chars = _CHARS_PER_WORD * max_words
    words = split_words([text[:chars] for text in texts])
    truncated = (words.counts > max_words) | np.array([len(text) > chars for text in texts], dtype=np.bool_)
    return words.heads(max_words) if truncated.any() else words, truncated


def bags_of(texts: Sequence[str], vocabulary: Vocabulary, max_words: int) -> Bags:
    """Look up the terms in the beginning of each text."""
    words, truncated = read_words(texts, max_words)
    pairs = words.pairs()
    of_pairs = vocabulary.rows(pairs.hashes)
    known = of_pairs != UNKNOWN
    known_until = np.concatenate([[0], np.cumsum(known)])[np.cumsum(pairs.counts)]
    pair_counts = np.diff(known_until, prepend=0)
    # A text's words, then its pairs: the pairs of earlier texts go before its words, and its own words before its pairs.
    terms = np.empty(len(words.hashes) + int(known.sum()), dtype=np.int32)
    place = np.repeat(known_until - pair_counts, words.counts) + np.arange(len(words.hashes))
    terms[place] = vocabulary.rows(words.hashes)
    place = np.repeat(np.cumsum(words.counts), pair_counts) + np.arange(known_until[-1] if len(texts) else 0)
    terms[place] = of_pairs[known]
    return Bags(Ragged.from_flat(terms, words.counts + pair_counts), words.counts, truncated)


@dataclass(frozen=True, slots=True)
class StaticWeights:
    """What a static student has learnt; float32."""

    terms: NDArray[np.float32]
    """Shape [1 + terms, dimensions]."""
    hidden: NDArray[np.float32]
    """From title and text to the hidden layer, shape [2 * dimensions, hidden]."""
    hidden_bias: NDArray[np.float32]
    """Shape [hidden]."""
    output: NDArray[np.float32]
    """From the hidden layer to the log odds of fake, shape [hidden]."""
    output_bias: NDArray[np.float32]
    """Shape [1]."""


class StaticClassifier:
    """Predicts from the mean embeddings of title and text; an empty one is zeros."""

    def __init__(
        self, inputs: StaticInputs, vocabulary: Vocabulary, weights: StaticWeights, *, name: str
    ) -> None:
        self.inputs = inputs
        self.vocabulary = vocabulary
        self.weights = weights
        self.name = name

    def predict(self, articles: Sequence[Article]) -> Predictions:
        """Predict articles; P(fake) is the logistic function of the log odds."""
        return self.predict_and_embed(articles)[0]

    def embed(self, articles: Sequence[Article]) -> NDArray[np.float32]:
        """Mean embeddings of title and text side by side, as `Embedder` says."""
        return self.predict_and_embed(articles)[1]

    def predict_and_embed(self, articles: Sequence[Article]) -> tuple[Predictions, NDArray[np.float32]]:
        """Both in one pass, as `OnePassEmbedder` says."""
        if not articles:
            return Predictions.from_probability(np.zeros(0)), np.zeros((0, 0), dtype=np.float32)
        parts = [*self._means(articles)]
        embeddings = np.concatenate([means for means, _ in parts])
        weights = self.weights
        hidden = np.maximum(embeddings @ weights.hidden + weights.hidden_bias, 0)
        odds = hidden @ weights.output + weights.output_bias
        truncated = np.concatenate([truncated for _, truncated in parts])
        return Predictions.from_probability(expit(odds), truncated=truncated), embeddings

    def _means(self, articles: Sequence[Article]) -> Iterator[tuple[NDArray[np.float32], NDArray[np.bool_]]]:
        """By group of articles: mean embeddings, shape [articles, 2 * dimensions], and which are truncated."""
        with_text = self.inputs.inputs == "title_and_text"
        for begin in range(0, len(articles), _ROWS_AT_ONCE):
            group = articles[begin : begin + _ROWS_AT_ONCE]
            fields = [field for one in group for field in (one.title, one.text if with_text else "")]
            bags = bags_of(fields, self.vocabulary, self.inputs.max_words)
            found = bags.terms.values
            # Of each field one row, with a one for each of its terms.
            counted = csr_matrix(
                (np.ones(len(found), dtype=np.float32), found, np.append(bags.terms.starts, len(found))),
                shape=(len(fields), len(self.weights.terms)),
            )
            means = counted @ self.weights.terms / np.maximum(bags.words, 1)[:, None]
            yield means.reshape(len(group), -1).astype(np.float32), bags.truncated[::2] | bags.truncated[1::2]
            progress.advance(len(group))

    def save(self, folder: Path) -> None:
        """Write static.json and static.safetensors. Words are not stored, only their hashes."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / STATIC_FILE).write_text(self.inputs.model_dump_json(indent=2) + "\n")
        arrays = {name: getattr(self.weights, name) for name in StaticWeights.__slots__}
        save_file(
            {"hashes": self.vocabulary.hashes, **{k: np.ascontiguousarray(v) for k, v in arrays.items()}},
            folder / _ARRAYS_FILE,
        )

    @classmethod
    def load(cls, folder: Path, *, name: str = "static") -> Self:
        """Load what `save` wrote."""
        arrays = load_file(folder / _ARRAYS_FILE)
        vocabulary = Vocabulary(arrays.pop("hashes"))
        inputs = StaticInputs.model_validate_json((folder / STATIC_FILE).read_bytes())
        return cls(inputs, vocabulary, StaticWeights(**arrays), name=name)
