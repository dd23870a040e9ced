"""The curves of a training as rows of numbers, while they grow."""

from collections.abc import Callable

from fakenews_assets.training.history import TrainingHistory, TrainingPoint, ValidationPoint


class Curves:
    """Hands every point of a growing history on once, in order of steps."""

    def __init__(self, row: Callable[[dict[str, float], int], None]) -> None:
        """Args: row: takes numbers by name, and the optimisation step they belong to; a step may come twice."""
        self._row = row
        self._training = 0
        self._validation = 0

    def __call__(self, history: TrainingHistory) -> None:
        """Hand on what `history` has more than the one before."""
        new = [*history.training[self._training :], *history.validation[self._validation :]]
        self._training, self._validation = len(history.training), len(history.validation)
        for point in sorted(new, key=lambda point: point.step):
            self._row(_numbers(point), point.step)


def _numbers(point: TrainingPoint | ValidationPoint) -> dict[str, float]:
    split = "train" if isinstance(point, TrainingPoint) else "validation"
    return {f"{split}/{name}": value for name, value in point.model_dump(exclude={"step"}).items()}
