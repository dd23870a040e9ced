"""What all runtimes of an encoder share: articles in, batches of similar length, answers in the order asked."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from fakenews_assets.training.batching import budget_batches
from fakenews_assets.training.classifier import Article, Predictions
from fakenews_assets.training.tokenization import ArticleEncoder

EncoderInputs = dict[str, NDArray[np.int64]]
"""What an encoder reads, each of shape [batch, tokens]."""


class EncoderClassifier(ABC):
    """Predicts in batches of similar length; each runtime says how a batch becomes logits."""

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
        table = self.encoder.encode(articles)
        plan = budget_batches(
            self.encoder.lengths(table), max_tokens=self.batch_tokens, max_rows=self.batch_rows
        )
        probability = np.zeros(len(articles), dtype=np.float32)
        answers = self.logits(self.fitted(self.encoder.batch(table, rows)) for rows in plan)
        for rows, padded in zip(plan, answers, strict=True):
            logits = padded[: len(rows)]
            # Softmax of two logits, without an exponential that could overflow.
            probability[rows] = 0.5 * (1 + np.tanh(0.5 * (logits[:, 1] - logits[:, 0])))
        return Predictions.from_probability(probability)

    def fitted(self, batch: EncoderInputs) -> EncoderInputs:
        """A batch as this runtime likes it: perhaps with more padding, at the end of its rows and below them."""
        return batch

    @abstractmethod
    def logits(self, batches: Iterable[EncoderInputs]) -> Iterator[NDArray[np.float32]]:
        """Answer batches in their order; each answer is float32 [batch, 2]: real, fake."""
