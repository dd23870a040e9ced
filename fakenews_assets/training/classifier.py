"""The one interface that every variant of the model offers, whatever runs it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Article:
    """One article to judge, already prepared as the training rows were."""

    title: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Predictions:
    """Answers in the order of the articles asked about, one row each."""

    probability: NDArray[np.float32]
    """Probability of fake, in [0, 1], shape [n]."""
    label: NDArray[np.int8]
    """0 real, 1 fake, shape [n]. Filled in for abstained rows too: what the model would have said."""
    abstained: NDArray[np.bool_]
    """Whether the model declines to answer, shape [n]."""

    @classmethod
    def from_probability(cls, probability: NDArray[np.floating], threshold: float = 0.5) -> "Predictions":
        """Call fake whatever reaches the threshold; abstain from nothing."""
        probability = probability.astype(np.float32)
        return cls(
            probability=probability,
            label=(probability >= threshold).astype(np.int8),
            abstained=np.zeros(len(probability), dtype=np.bool_),
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


def load_classifier(folder: Path) -> Classifier:
    """Load whichever kind of model a folder holds.

    Raises:
        FileNotFoundError: the folder holds none of the known kinds.
    """
    # Each kind pulls in a heavy library that the other does not need.
    if (folder / "baseline.json").is_file():
        from fakenews_assets.training.baseline import BaselineClassifier

        return BaselineClassifier.load(folder)
    if (folder / "config.json").is_file() and (folder / "encoding.json").is_file():
        from fakenews_assets.training.torch_classifier import TorchClassifier

        return TorchClassifier.load(folder)
    found = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else "no such folder"
    raise FileNotFoundError(
        f"{folder} is not a saved classifier: expected baseline.json (baseline), or config.json with"
        f" encoding.json (fine-tuned encoder); found {found}. Materialize the model asset again."
    )
