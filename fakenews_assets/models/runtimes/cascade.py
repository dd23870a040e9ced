"""A cascade: the linear model answers what it is sure of, and the ensemble of both models the rest."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.special import expit

from fakenews_assets.common import progress
from fakenews_assets.models.classifier import Article, Predictions
from fakenews_assets.models.runtimes.ensemble import EnsembleClassifier, probability_log_odds

CASCADE_FILE: Final = "cascade.json"

_Odds = NDArray[np.float64]


class Deferral(BaseModel):
    """Which articles the linear model leaves to the ensemble, and what it answers for the others.

    Its log odds are brought to the ensemble's scale by a straight line, so that one calibration fits both stages.
    """

    model_config = ConfigDict(frozen=True)

    slope: float = Field(description="Log odds of the ensemble per log odds of the linear model.")
    intercept: float = Field(description="Log odds of the ensemble where the linear model's are 0.")
    margin: float | None = Field(
        description="Log odds, on the ensemble's scale, from which on the linear model answers; None: it never does."
    )

    @classmethod
    def fit_line(cls, linear: _Odds, ensemble: _Odds) -> Self:
        """Least squares on the log odds of validation articles, shape [n] each; without a margin."""
        spread = float(np.var(linear))
        slope = float(np.cov(linear, ensemble, bias=True)[0, 1]) / spread if spread else 0.0
        return cls(slope=slope, intercept=float(ensemble.mean() - slope * linear.mean()), margin=None)

    def log_odds(self, linear: _Odds) -> _Odds:
        """What the first stage answers, shape [n], from the linear model's log odds."""
        return self.slope * linear + self.intercept

    def deferred(self, first: _Odds) -> NDArray[np.bool_]:
        """Which articles go to the ensemble, shape [n], from the first stage's answers."""
        if self.margin is None:
            return np.ones(len(first), dtype=np.bool_)
        return np.abs(first) < self.margin

    def write(self, folder: Path) -> None:
        """Write `cascade.json`."""
        (folder / CASCADE_FILE).write_text(self.model_dump_json(indent=2) + "\n")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read what `write` wrote."""
        return cls.model_validate_json((folder / CASCADE_FILE).read_bytes())


class CascadeClassifier:
    """Asks the encoder only for articles of which the linear model is not sure.

    An embedding would need the encoder for every article: it is given where it is asked for, and never in the same
    pass as a prediction, so that out-of-distribution detection looks at the characters alone.
    """

    def __init__(self, ensemble: EnsembleClassifier, deferral: Deferral, *, name: str) -> None:
        self.ensemble = ensemble
        self.deferral = deferral
        self.name = name

    def predict(self, articles: Sequence[Article]) -> Predictions:
        """Predict articles; `deferred` says which of them the ensemble answered."""
        linear = self.ensemble.linear
        of_linear = linear.log_odds(articles)
        odds = self.deferral.log_odds(of_linear)
        deferred = self.deferral.deferred(odds)
        rows = np.flatnonzero(deferred)
        truncated = linear.truncated(articles)
        progress.advance(len(articles) - len(rows))
        if len(rows):
            asked = self.ensemble.encoder.predict(
                [one for one, left in zip(articles, deferred, strict=True) if left]
            )
            of_encoder = probability_log_odds(asked.probability)
            odds[rows] = self.ensemble.combination.log_odds(of_encoder, of_linear[rows])
            if asked.truncated is not None:
                truncated[rows] |= asked.truncated
        return replace(Predictions.from_probability(expit(odds), truncated=truncated), deferred=deferred)

    def defers(self, articles: Sequence[Article]) -> NDArray[np.bool_]:
        """Which articles go to the ensemble, as `Staged` says."""
        return self.deferral.deferred(self.deferral.log_odds(self.ensemble.linear.log_odds(articles)))

    def embed(self, articles: Sequence[Article]) -> NDArray[np.float32]:
        """Embeddings of the encoder, as `Embedder` says."""
        return self.ensemble.embed(articles)
