"""Base class of all runtimes of an encoder: tokenizes, batches by length, restores the order."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from fakenews_assets.common import progress
from fakenews_assets.models.batching import budget_batches
from fakenews_assets.models.classifier import Article, Predictions
from fakenews_assets.models.token_layout import TokenTable
from fakenews_assets.models.tokenization import ArticleEncoder

EncoderInputs = dict[str, NDArray[np.int64]]
"""Inputs of an encoder, each of shape [batch, tokens]."""

Output = Literal["logits", "embedding"]
"""Outputs of an encoder: logits, float32 [batch, 2], real and fake; embedding, float32 [batch, hidden]."""

OUTPUTS: Final[tuple[Output, ...]] = ("logits", "embedding")
"""Their order in an exported encoder."""


class EncoderClassifier(ABC):
    """Predicts in batches of similar length. A runtime implements `run`."""

    def __init__(
        self, encoder: ArticleEncoder, *, name: str, batch_rows: int = 64, batch_tokens: int = 4096
    ) -> None:
        """Bind the tokenizer and the limits of a batch.

        Args:
            encoder: tokenizer and layout that the model was trained with.
            name: for tables and logs.
            batch_rows: most rows per batch.
            batch_tokens: most padded tokens per batch; bounds the memory that long articles take.
        """
        self.encoder = encoder
        self.name = name
        self.batch_rows = batch_rows
        self.batch_tokens = batch_tokens

    def predict(self, articles: Sequence[Article]) -> Predictions:
        """Predict articles; P(fake) is the softmax of the two logits."""
        table = self.encoder.encode(articles)
        (logits,) = self._answers(table, "logits")
        return _predictions(logits, self.encoder.truncated(table))

    def embed(self, articles: Sequence[Article]) -> NDArray[np.float32]:
        """Mean of the last hidden state over an article's tokens, shape [n, hidden]; as `Embedder` says."""
        (embeddings,) = self._answers(self.encoder.encode(articles), "embedding")
        return embeddings

    def predict_and_embed(self, articles: Sequence[Article]) -> tuple[Predictions, NDArray[np.float32]]:
        """Both in one pass through the encoder, as `OnePassEmbedder` says."""
        table = self.encoder.encode(articles)
        logits, embeddings = self._answers(table, "logits", "embedding")
        return _predictions(logits, self.encoder.truncated(table)), embeddings

    def pad(self, batch: EncoderInputs) -> EncoderInputs:
        """Pad a batch further, if the runtime prefers fixed shapes."""
        return batch

    @abstractmethod
    def run(
        self, batches: Iterable[EncoderInputs], *outputs: Output
    ) -> Iterator[tuple[NDArray[np.float32], ...]]:
        """Answer batches in their order, each in one pass with the outputs asked for."""

    def _answers(self, table: TokenTable, *outputs: Output) -> tuple[NDArray[np.float32], ...]:
        """Each output in the order of the articles, without padding rows; shape [0, 0] for no article."""
        plan = budget_batches(
            self.encoder.lengths(table), max_tokens=self.batch_tokens, max_rows=self.batch_rows
        )
        batches = (self.pad(self.encoder.batch(table, rows)) for rows in plan)
        answers: list[list[NDArray[np.float32]]] = []
        for rows, found in zip(plan, self.run(batches, *outputs), strict=True):
            answers.append([padded[: len(rows)] for padded in found])
            progress.advance(len(rows))
        if not answers:
            return tuple(np.zeros((0, 0), dtype=np.float32) for _ in outputs)
        order = np.argsort(np.concatenate(list(plan)))
        return tuple(np.concatenate(parts)[order] for parts in zip(*answers, strict=True))


def _predictions(logits: NDArray[np.float32], truncated: NDArray[np.bool_]) -> Predictions:
    if not len(logits):
        return Predictions.from_probability(np.zeros(0))
    # Softmax of two logits, without an exponential that could overflow.
    return Predictions.from_probability(
        0.5 * (1 + np.tanh(0.5 * (logits[:, 1] - logits[:, 0]))), truncated=truncated
    )
