"""Progress, history and errors of a training."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

_TIE_BREAK = 1e-6
"""Small enough that no loss outweighs one row among a hundred thousand."""


class TrainingFailed(RuntimeError):
    """The run ended without a usable model; the message says what to change."""


class _Record(BaseModel):
    # A diverging run has losses that JSON has no number for.
    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")


class TrainingPoint(_Record):
    """Training loss, averaged over the steps since the point before."""

    step: int
    loss: float
    learning_rate: float


class ValidationPoint(_Record):
    """One pass over the validation rows, after `step` optimisation steps."""

    step: int
    loss: float
    accuracy: float
    macro_f1: float

    def monitored_metric(self, keep: Literal["macro_f1", "loss"]) -> float:
        """How good these weights are by `FinetuneSettings.keep`: larger is better, NaN where the run diverged.

        Equal macro-F1, common on few rows, is decided by the loss.
        """
        if not math.isfinite(self.loss):
            return math.nan
        return self.macro_f1 - _TIE_BREAK * self.loss if keep == "macro_f1" else -self.loss


class TrainingHistory(_Record):
    """The curves of a run, in order of steps."""

    steps_per_epoch: int
    training: list[TrainingPoint]
    validation: list[ValidationPoint]


class RunRecord(_Record):
    """What the trainer did, over all resumptions of the run."""

    steps: int
    resumed_from_step: int
    rows: int
    seconds: float
    history: TrainingHistory

    @property
    def rows_per_second(self) -> float:
        """Training rows per second, checkpoints counted, validations not."""
        return self.rows / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True)
class Progress:
    """State of a running training."""

    epoch: int
    """Counted from 1."""
    epochs: int
    step: int
    """Optimisation steps done, over all epochs and resumptions."""
    resumed_from_step: int
    """Of them, those of killed attempts; 0: this one has begun anew."""
    total_steps: int
    history: TrainingHistory
    """The curves so far."""
    rows_per_second: float
    """Training rows per second since the start, evaluations not counted."""
    validation: ValidationPoint | None
    """Set when a validation has just ended."""
    is_best: bool
    """Whether that validation's weights are the ones to keep so far."""

    @property
    def train_loss(self) -> float | None:
        """Mean over the latest steps; None before the first of them."""
        return self.history.training[-1].loss if self.history.training else None

    def __str__(self) -> str:
        parts = [f"epoch {self.epoch}/{self.epochs}", f"{self.rows_per_second:.0f} rows/s"]
        if self.train_loss is not None:
            parts.append(f"loss {self.train_loss:.3f}")
        if self.validation:
            parts.append(
                f"validation loss {self.validation.loss:.3f}, macro-F1 {self.validation.macro_f1:.3f}"
            )
        return ", ".join(parts)


ProgressListener = Callable[[Progress], None]


class Curves:
    """Passes on every new point of a growing history."""

    def __init__(self, row: Callable[[dict[str, float], int], None]) -> None:
        """Args: row: takes numbers by name, and the optimisation step they belong to; a step may come twice."""
        self._row = row
        self._training = 0
        self._validation = 0

    def __call__(self, history: TrainingHistory) -> None:
        """Pass on the points that `history` has gained."""
        new = [*history.training[self._training :], *history.validation[self._validation :]]
        self._training, self._validation = len(history.training), len(history.validation)
        for point in sorted(new, key=lambda point: point.step):
            self._row(_numbers(point), point.step)


def _numbers(point: TrainingPoint | ValidationPoint) -> dict[str, float]:
    split = "train" if isinstance(point, TrainingPoint) else "validation"
    return {f"{split}/{name}": value for name, value in point.model_dump(exclude={"step"}).items()}
