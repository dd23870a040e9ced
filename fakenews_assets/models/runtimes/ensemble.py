"""The ensemble of an encoder and the linear model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.special import expit, logit

from fakenews_assets.models.classifier import Article, Predictions
from fakenews_assets.models.runtimes.encoder import EncoderClassifier
from fakenews_assets.models.runtimes.linear import BaselineClassifier

ENSEMBLE_FILE: Final = "ensemble.json"
ENCODER_FOLDER: Final = "encoder"
LINEAR_FOLDER: Final = "linear"

_CLIP: Final = 1e-7


class Combination(BaseModel):
    """How the log odds of the two members become one: their weighted mean, each divided by its scale.

    One member may be far more confident than the other. The scale is the root mean square of a member's log odds. It
    is nearly their standard deviation, and where a member hardly tells articles apart it is safe to divide by.
    """

    model_config = ConfigDict(frozen=True)

    linear_weight: float = Field(
        ge=0, le=1, description="Weight of the linear model; the rest is the encoder's."
    )
    encoder_scale: float = Field(gt=0, description="Scale of the encoder on the validation articles.")
    linear_scale: float = Field(gt=0, description="Scale of the linear model on them.")

    @classmethod
    def fit(cls, encoder: NDArray[np.float64], linear: NDArray[np.float64], *, linear_weight: float) -> Self:
        """Measure the scales on the members' log odds of the validation articles, shape [n] each."""
        scales = {
            f"{name}_scale": float(np.sqrt(np.mean(odds**2)))
            for name, odds in (("encoder", encoder), ("linear", linear))
        }
        return cls(linear_weight=linear_weight, **scales)

    def log_odds(self, encoder: NDArray[np.float64], linear: NDArray[np.float64]) -> NDArray[np.float64]:
        """Combined log odds, shape [n]; the calibration of the evaluation finds their temperature."""
        share = self.linear_weight
        return (1 - share) * encoder / self.encoder_scale + share * linear / self.linear_scale

    def write(self, folder: Path) -> None:
        """Write `ensemble.json`."""
        (folder / ENSEMBLE_FILE).write_text(self.model_dump_json(indent=2) + "\n")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read what `write` wrote."""
        return cls.model_validate_json((folder / ENSEMBLE_FILE).read_bytes())


class EnsembleClassifier:
    """Combines an encoder of any runtime with the linear model. The embedding is the encoder's."""

    def __init__(
        self, encoder: EncoderClassifier, linear: BaselineClassifier, combination: Combination, *, name: str
    ) -> None:
        self.encoder = encoder
        self.linear = linear
        self.combination = combination
        self.name = name

    def predict(self, articles: Sequence[Article]) -> Predictions:
        """Predict articles with both members."""
        return self._combined(self.encoder.predict(articles), articles)

    def embed(self, articles: Sequence[Article]) -> NDArray[np.float32]:
        """Embeddings of the encoder, as `Embedder` says."""
        return self.encoder.embed(articles)

    def predict_and_embed(self, articles: Sequence[Article]) -> tuple[Predictions, NDArray[np.float32]]:
        """Both in one pass through the encoder, as `OnePassEmbedder` says."""
        predictions, embeddings = self.encoder.predict_and_embed(articles)
        return self._combined(predictions, articles), embeddings

    def _combined(self, predictions: Predictions, articles: Sequence[Article]) -> Predictions:
        encoder = probability_log_odds(predictions.probability)
        return Predictions.from_probability(
            expit(self.combination.log_odds(encoder, self.linear.log_odds(articles))),
            truncated=predictions.truncated,
        )


def probability_log_odds(probability: NDArray[np.floating]) -> NDArray[np.float64]:
    """Log odds of probabilities, finite also where these are 0 or 1."""
    return logit(np.clip(probability.astype(np.float64), _CLIP, 1 - _CLIP))
