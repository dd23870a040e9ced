"""The one interface that every variant of the model offers, whatever runs it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Article:
    """One article to judge. A classifier expects it prepared as the training rows were; `Scorer` prepares it."""

    title: str
    text: str = ""


AbstainReason = Literal["uncertain", "out_of_distribution"]
"""Why there is no answer: the model would be wrong too often, or has never learnt from anything like the article."""


@dataclass(frozen=True, slots=True)
class Predictions:
    """Answers in the order of the articles asked about, one row each."""

    probability: NDArray[np.float32]
    """Probability of fake, in [0, 1], shape [n]."""
    predicted_label: NDArray[np.int8]
    """0 real, 1 fake, shape [n]. Filled in for abstained rows too: what the model would have said."""
    abstained: NDArray[np.bool_]
    """Whether the model declines to answer, for whatever reason, shape [n]."""
    out_of_distribution: NDArray[np.bool_]
    """Whether it declines because the article is unlike those that it has learnt from, shape [n]."""

    @classmethod
    def from_probability(cls, probability: NDArray[np.floating], threshold: float = 0.5) -> "Predictions":
        """Call fake whatever reaches the threshold; abstain from nothing."""
        probability = probability.astype(np.float32)
        return cls(
            probability=probability,
            predicted_label=(probability >= threshold).astype(np.int8),
            abstained=np.zeros(len(probability), dtype=np.bool_),
            out_of_distribution=np.zeros(len(probability), dtype=np.bool_),
        )

    def abstain_reason(self, row: int) -> AbstainReason | None:
        """Why a row has no answer; None: it has one. An out-of-distribution row may be uncertain as well."""
        if not self.abstained[row]:
            return None
        return "out_of_distribution" if self.out_of_distribution[row] else "uncertain"

    def part(self, rows: slice | NDArray[np.integer]) -> "Predictions":
        """Some rows of the answers."""
        return Predictions(
            probability=self.probability[rows],
            predicted_label=self.predicted_label[rows],
            abstained=self.abstained[rows],
            out_of_distribution=self.out_of_distribution[rows],
        )

    def __len__(self) -> int:
        return len(self.probability)


class Classifier(Protocol):
    """A loaded model."""

    @property
    def name(self) -> str:
        """The candidate's name, for tables and logs."""
        ...

    def predict(self, articles: Sequence[Article]) -> Predictions:
        """Judge articles; no article is a valid request and gets an empty answer."""
        ...


@runtime_checkable
class Embedder(Protocol):
    """A loaded model that also tells where articles lie in its own space."""

    def embed(self, articles: Sequence[Article]) -> NDArray[np.float32]:
        """One vector per article, in the order asked, shape [n, dimensions]; no article gives [0, 0]."""
        ...


@runtime_checkable
class OnePassEmbedder(Embedder, Protocol):
    """An encoder that has read an article and so can tell both, its answer and where the article lies."""

    def predict_and_embed(self, articles: Sequence[Article]) -> tuple[Predictions, NDArray[np.float32]]:
        """What `predict` and `embed` say, for the price of little more than one of them."""
        ...


class NoEmbedding(RuntimeError):
    """The model predicts but has no embedding."""


RUNTIME_FILE: Final = "runtime.json"
"""Names the format of an exported encoder; beside the model."""
