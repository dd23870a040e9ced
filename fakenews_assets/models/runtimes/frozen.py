"""A pretrained encoder without fine-tuning: logistic regression on its embeddings."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from scipy.special import expit

from fakenews_assets.models.classifier import Article, Predictions
from fakenews_assets.models.runtimes.encoder import EncoderClassifier

HEAD_FILE: Final = "head.safetensors"
FROZEN_FOLDER: Final = "encoder"


class FrozenClassifier:
    """Predicts from the embeddings of an encoder; its own head is not used."""

    def __init__(
        self, encoder: EncoderClassifier, weights: NDArray[np.float64], intercept: float, *, name: str
    ) -> None:
        """Assemble a classifier.

        Args:
            encoder: embeds.
            weights: evidence for fake, shape [dimensions].
            intercept: log odds of fake of an embedding of zeros.
            name: for tables and logs.
        """
        self.encoder = encoder
        self.weights = weights
        self.intercept = intercept
        self.name = name

    def predict(self, articles: Sequence[Article]) -> Predictions:
        """Predict articles; P(fake) is the logistic function of the linear score."""
        return self.predict_and_embed(articles)[0]

    def embed(self, articles: Sequence[Article]) -> NDArray[np.float32]:
        """Embeddings of the encoder, as `Embedder` says."""
        return self.encoder.embed(articles)

    def predict_and_embed(self, articles: Sequence[Article]) -> tuple[Predictions, NDArray[np.float32]]:
        """Both in one pass, as `OnePassEmbedder` says."""
        own, embeddings = self.encoder.predict_and_embed(articles)
        if not len(embeddings):
            return Predictions.from_probability(np.zeros(0)), embeddings
        probability = expit(embeddings @ self.weights + self.intercept)
        return Predictions.from_probability(probability, truncated=own.truncated), embeddings


def save_head(folder: Path, weights: NDArray[np.float64], intercept: float) -> None:
    """Write `head.safetensors`, beside the folder `encoder`."""
    save_file({"weights": weights, "intercept": np.array([intercept])}, folder / HEAD_FILE)


def load_head(folder: Path) -> tuple[NDArray[np.float64], float]:
    """Read what `save_head` wrote."""
    arrays = load_file(folder / HEAD_FILE)
    return arrays["weights"], float(arrays["intercept"][0])
