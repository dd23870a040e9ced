"""Classification metrics. Fake (1) is the positive class."""

from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    confusion_matrix,
    log_loss,
    roc_auc_score,
)

from fakenews_assets.data.schema import Label
from fakenews_assets.models.reliability import expected_calibration_error, reliability_bins

_CLASSES = [int(Label.REAL), int(Label.FAKE)]


class Confusion(BaseModel):
    """Confusion matrix."""

    model_config = ConfigDict(frozen=True)

    real_as_real: int
    real_as_fake: int
    fake_as_real: int
    fake_as_fake: int


class ClassScores(BaseModel):
    """Precision, recall and F1 of one class. A value is None if it would divide by zero."""

    model_config = ConfigDict(frozen=True)

    precision: float | None = Field(description="None when the class is never predicted.")
    recall: float | None = Field(description="None when no article has the class.")
    f1: float | None = Field(description="None when the class is neither present nor predicted.")
    rows: int = Field(description="Articles that have the class.")


class Metrics(BaseModel):
    """Quality at a threshold and over all thresholds.

    Values that the rows leave undefined are None: `macro_f1`, `roc_auc` and `pr_auc` need both classes.
    """

    model_config = ConfigDict(frozen=True)

    rows: int
    threshold: float = Field(description="Decision threshold on P(fake).")
    fake_share: float = Field(description="Share of the rows that are fake: the base rate.")
    accuracy: float
    macro_f1: float | None = Field(description="Unweighted mean of the two classes' F1.")
    real: ClassScores
    fake: ClassScores
    roc_auc: float | None
    pr_auc: float | None = Field(description="Average precision of the class fake.")
    log_loss: float = Field(description="Mean negative log-likelihood in nats.")
    brier: float = Field(description="Mean squared difference of probability and label, 0 to 1.")
    ece: float = Field(description="Expected calibration error over 15 bins of equal mass.")
    confusion: Confusion

    @classmethod
    def of(cls, labels: ArrayLike, probabilities: ArrayLike, threshold: float = 0.5) -> Self:
        """Compute the metrics of predicted probabilities.

        Args:
            labels: shape (n,), 1 for fake and 0 for real.
            probabilities: shape (n,), forecast probability of fake. A certain forecast (exactly 0 or 1)
                that is wrong costs about 36 nats of log loss, the limit of a 64-bit float.
            threshold: decision threshold on P(fake).

        Raises:
            ValueError: no rows, different lengths, a label other than 0 and 1, or a probability that is
                not a number in [0, 1].
        """
        actual, forecast = validated(labels, probabilities)
        predicted = (forecast >= threshold).astype(np.int8)
        both = np.unique(actual).size == 2
        (real_as_real, real_as_fake), (fake_as_real, fake_as_fake) = confusion_matrix(
            actual, predicted, labels=_CLASSES
        ).tolist()
        real = _class_scores(real_as_real, missed=real_as_fake, wrongly_called=fake_as_real)
        fake = _class_scores(fake_as_fake, missed=fake_as_real, wrongly_called=real_as_fake)
        macro_f1 = None
        if real.f1 is not None and fake.f1 is not None and both:
            macro_f1 = (real.f1 + fake.f1) / 2
        return cls(
            rows=actual.size,
            threshold=threshold,
            fake_share=float(actual.mean()),
            accuracy=float(np.mean(predicted == actual)),
            macro_f1=macro_f1,
            real=real,
            fake=fake,
            roc_auc=float(roc_auc_score(actual, forecast)) if both else None,
            pr_auc=float(average_precision_score(actual, forecast)) if both else None,
            log_loss=float(log_loss(actual, forecast, labels=_CLASSES)),
            brier=float(brier_score_loss(actual, forecast, labels=_CLASSES)),
            ece=expected_calibration_error(reliability_bins(actual, forecast)),
            confusion=Confusion(
                real_as_real=real_as_real,
                real_as_fake=real_as_fake,
                fake_as_real=fake_as_real,
                fake_as_fake=fake_as_fake,
            ),
        )


def validated(labels: ArrayLike, probabilities: ArrayLike) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """Return labels and probabilities as arrays of equal length, or say what is wrong with them.

    Raises:
        ValueError: see `Metrics.of`.
    """
    actual = np.asarray(labels)
    forecast = np.asarray(probabilities, dtype=np.float64)
    if actual.ndim != 1 or actual.shape != forecast.shape:
        raise ValueError(
            f"Labels and probabilities must be two lists of one length; their shapes are "
            f"{actual.shape} and {forecast.shape}."
        )
    if actual.size == 0:
        raise ValueError("There are no rows to score; check that the test split is not empty.")
    if not np.isin(actual, _CLASSES).all():
        raise ValueError("Labels must be 0 (real) or 1 (fake); leave unlabelled articles out before scoring.")
    if not ((forecast >= 0) & (forecast <= 1)).all():
        raise ValueError(
            "Probabilities must be numbers between 0 and 1; the classifier returned others "
            "(NaN often means that training diverged)."
        )
    return actual.astype(np.int8), forecast


def _class_scores(hits: int, *, missed: int, wrongly_called: int) -> ClassScores:
    return ClassScores(
        precision=_ratio(hits, hits + wrongly_called),
        recall=_ratio(hits, hits + missed),
        f1=_ratio(2 * hits, 2 * hits + missed + wrongly_called),
        rows=hits + missed,
    )


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
