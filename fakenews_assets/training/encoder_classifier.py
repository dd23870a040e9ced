"""What all runtimes of an encoder share: articles in, batches of similar length, answers in the order asked."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from fakenews_assets.training.batching import budget_batches
from fakenews_assets.training.classifier import Article, Predictions
from fakenews_assets.training.tokenization import ArticleEncoder

EncoderInputs = dict[str, NDArray[np.int64]]
"""What an encoder reads, each of shape [batch, tokens]."""

Runtime = Callable[[Iterable[EncoderInputs]], Iterator[NDArray[np.float32]]]
"""Answers batches in their order, each with as many rows as the batch."""


class EncoderClassifier(ABC):
    """Works in batches of similar length; each runtime says how a batch becomes logits and embeddings."""

    def __init__(
        self, encoder: ArticleEncoder, *, name: str, batch_rows: int = 64, batch_tokens: int = 4096
    ) -> None:
        """Bind the text side.

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
        """Judge articles; the probability of fake is the softmax of the two logits."""
        probability = np.zeros(len(articles), dtype=np.float32)
        for rows, logits in self._answers(articles, self.logits):
            # Softmax of two logits, without an exponential that could overflow.
            probability[rows] = 0.5 * (1 + np.tanh(0.5 * (logits[:, 1] - logits[:, 0])))
        return Predictions.from_probability(probability)

    def embed(self, articles: Sequence[Article]) -> NDArray[np.float32]:
        """Mean of the last hidden state over an article's tokens, shape [n, hidden]; as `Embedder` says."""
        answers = list(self._answers(articles, self.embeddings))
        if not answers:
            return np.zeros((0, 0), dtype=np.float32)
        places = np.concatenate([rows for rows, _ in answers])
        return np.concatenate([embeddings for _, embeddings in answers])[np.argsort(places)]

    def fitted(self, batch: EncoderInputs) -> EncoderInputs:
        """A batch as this runtime likes it: perhaps with more padding, at the end of its rows and below them."""
        return batch

    @abstractmethod
    def logits(self, batches: Iterable[EncoderInputs]) -> Iterator[NDArray[np.float32]]:
        """Answer batches in their order; each answer is float32 [batch, 2]: real, fake."""

    @abstractmethod
    def embeddings(self, batches: Iterable[EncoderInputs]) -> Iterator[NDArray[np.float32]]:
        """Answer batches in their order; each answer is float32 [batch, hidden].

        Raises:
            NoEmbedding: as in `Embedder`.
        """

    def _answers(
        self, articles: Sequence[Article], runtime: Runtime
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Each batch's places among the articles, and its answers without those of padding."""
        table = self.encoder.encode(articles)
        plan = budget_batches(
            self.encoder.lengths(table), max_tokens=self.batch_tokens, max_rows=self.batch_rows
        )
        answers = runtime(self.fitted(self.encoder.batch(table, rows)) for rows in plan)
        for rows, padded in zip(plan, answers, strict=True):
            yield rows, padded[: len(rows)]
