"""Checks that a model still gives its stored predictions."""

from dataclasses import dataclass
from typing import Final

import polars as pl

from fakenews_assets.models.classifier import Classifier
from fakenews_assets.models.predictions import predict_table

TOLERANCE: Final = 1e-4
"""Largest difference between two probabilities that are the same. Sums in float32 depend on how a batch is padded
and on the processor, by some 1e-6; a hundred times that decides nothing."""

INT8_TOLERANCE: Final = 0.05
"""The same where activations are rounded to 8 bits: what differs by 1e-6 before the rounding may differ by a whole
step after it. On one machine, 600 answers of the demo's OpenVINO champion and the same articles one by one differ by
at most 5e-5; but ONNX Runtime chooses its steps by the batch, and another processor may compute the rest in bfloat16."""


@dataclass(frozen=True)
class Agreement:
    """Comparison of stored and repeated predictions of a model."""

    articles: int
    """Number of articles."""
    largest: float
    """Largest difference between two probabilities of one article."""
    allowed: float
    fault: str
    """The fault, in a sentence; empty: none."""


def tolerance_of(candidate: str) -> float:
    """Largest difference between two equal predictions of one model, by its runtime."""
    return INT8_TOLERANCE if candidate.endswith(("int8", "bf16")) else TOLERANCE


def ask_again(
    classifier: Classifier, candidate: str, answers: pl.DataFrame, articles: pl.DataFrame
) -> Agreement:
    """Predict articles again and compare with the stored predictions.

    Args:
        classifier: the model, calibrated as it was evaluated.
        candidate: its name.
        answers: what is stored, a table of `LABELLED_PREDICTION_SCHEMA`.
        articles: the same articles in the same order, at least one.

    Raises:
        ValueError: they are other articles, or in another order.
    """
    found, allowed = predict_table(classifier, articles), tolerance_of(candidate)
    if not found["article_id"].equals(answers["article_id"]):
        raise ValueError(
            f"The stored predictions of {candidate} are of other articles than the split; materialize its evaluation again."
        )
    gap = (found["probability"] - answers["probability"]).abs()
    largest, fault = float(gap.to_numpy().max()), ""
    if not largest <= allowed:
        row = int(gap.arg_max() or 0)
        fault = f"the model gives {found['probability'][row]:.4f} to article {found['article_id'][row]}"
    return Agreement(found.height, largest, allowed, fault)
