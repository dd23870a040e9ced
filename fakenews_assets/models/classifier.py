"""The interface of every classifier, in any runtime."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Article:
    """An article. Classifiers expect prepared text; `Scorer` prepares it."""

    title: str
    text: str = ""


AbstainReason = Literal["uncertain", "out_of_distribution"]
"""Reason for abstaining: an uncertain probability, or an out-of-distribution article."""


@dataclass(frozen=True, slots=True)
class Predictions:
    """Predictions, one row per article, in the order of the request."""

    probability: NDArray[np.float32]
    """Probability of fake, in [0, 1], shape [n]."""
    predicted_label: NDArray[np.int8]
    """0 real, 1 fake, shape [n]; also set for abstained rows."""
    abstained: NDArray[np.bool_]
    """Whether the model abstains, for any reason, shape [n]."""
    out_of_distribution: NDArray[np.bool_]
    """Whether the article is out of distribution, shape [n]."""
    truncated: NDArray[np.bool_] | None = None
    """Whether the article is longer than what the model, or a member of an ensemble, reads of it, shape [n]; None: none
    is."""
    deferred: NDArray[np.bool_] | None = None
    """Whether the first stage of a cascade left the article to the second, shape [n]; None: there are no stages."""

    @classmethod
    def from_probability(
        cls,
        probability: NDArray[np.floating],
        threshold: float = 0.5,
        *,
        truncated: NDArray[np.bool_] | None = None,
    ) -> "Predictions":
        """Decide at a threshold, without abstaining."""
        probability = probability.astype(np.float32)
        return cls(
            probability=probability,
            predicted_label=(probability >= threshold).astype(np.int8),
            abstained=np.zeros(len(probability), dtype=np.bool_),
            out_of_distribution=np.zeros(len(probability), dtype=np.bool_),
            truncated=truncated,
        )

    def abstain_reason(self, row: int) -> AbstainReason | None:
        """Why the model abstains on a row, or None. An out-of-distribution row may be uncertain as well."""
        if not self.abstained[row]:
            return None
        return "out_of_distribution" if self.out_of_distribution[row] else "uncertain"

    def is_truncated(self, row: int) -> bool:
        """Whether the model read only the beginning of an article."""
        return self.truncated is not None and bool(self.truncated[row])

    def part(self, rows: slice | NDArray[np.integer]) -> "Predictions":
        """Some rows of the answers."""
        return Predictions(
            probability=self.probability[rows],
            predicted_label=self.predicted_label[rows],
            abstained=self.abstained[rows],
            out_of_distribution=self.out_of_distribution[rows],
            truncated=None if self.truncated is None else self.truncated[rows],
            deferred=None if self.deferred is None else self.deferred[rows],
        )

    @classmethod
    def joined(cls, parts: "Sequence[Predictions]") -> "Predictions":
        """The answers of several requests as one, in their order."""
        if len(parts) == 1:
            return parts[0]
        deferred = [part.deferred for part in parts if part.deferred is not None]
        return cls(
            probability=np.concatenate([part.probability for part in parts]),
            predicted_label=np.concatenate([part.predicted_label for part in parts]),
            abstained=np.concatenate([part.abstained for part in parts]),
            out_of_distribution=np.concatenate([part.out_of_distribution for part in parts]),
            truncated=np.concatenate(
                [
                    np.zeros(len(part), np.bool_) if part.truncated is None else part.truncated
                    for part in parts
                ]
            ),
            deferred=np.concatenate(deferred) if len(deferred) == len(parts) else None,
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
        """Predict articles; an empty list gives empty predictions."""
        ...


@runtime_checkable
class Embedder(Protocol):
    """A classifier that also embeds articles."""

    def embed(self, articles: Sequence[Article]) -> NDArray[np.float32]:
        """One vector per article, in the order asked, shape [n, dimensions]; no article gives [0, 0]."""
        ...


@runtime_checkable
class OnePassEmbedder(Embedder, Protocol):
    """An encoder that predicts and embeds in one pass."""

    def predict_and_embed(self, articles: Sequence[Article]) -> tuple[Predictions, NDArray[np.float32]]:
        """The results of `predict` and `embed`, at little more than the cost of one."""
        ...


@runtime_checkable
class Staged(Protocol):
    """A cascade: a first stage answers some articles, and leaves the others to a second."""

    def defers(self, articles: Sequence[Article]) -> NDArray[np.bool_]:
        """Which articles go to the second stage, shape [n]; asks only the first."""
        ...


class NoEmbedding(RuntimeError):
    """The model predicts but has no embedding."""


RUNTIME_FILE: Final = "runtime.json"
"""Names the format of an exported encoder; beside the model."""
