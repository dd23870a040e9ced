"""Result of a hyperparameter search. Importing this module needs no heavy library."""

from collections.abc import Callable
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from fakenews_assets.training.search.settings import SearchSettings
from fakenews_assets.training.settings import FinetuneSettings

SEARCH_FILE: Final = "search.json"
"""What a search found, as `hyperparameter_search` stores it."""

RecordState = Literal["complete", "pruned", "failed"]


class TrialRecord(BaseModel):
    """One setting that was tried."""

    model_config = ConfigDict(frozen=True)

    number: int = Field(description="Counted from 0 in order of start, failed ones included.")
    state: RecordState = Field(
        description="`complete`; `pruned`: ended early, because others did better or the loss diverged; `failed`:"
        " killed, out of time or stopped by an error. Failed trials do not count and are tried again."
    )
    params: dict[str, int | float] = Field(description="What was tried, by name in `FinetuneSettings`.")
    value: float | None = Field(
        description="Validation macro-F1 of the best weights, of a pruned trial so far; null: no validation was made."
    )
    seconds: float | None = Field(description="From start to end; null for failed trials.")
    pruned_at_step: int | None = Field(
        default=None, description="Optimisation steps a pruned trial had done."
    )


TrialListener = Callable[[TrialRecord], None]


class SearchResult(BaseModel):
    """What a search found, over all calls on the same data and settings."""

    model_config = ConfigDict(frozen=True)

    settings: SearchSettings
    train_rows: int = Field(description="Training rows of a trial.")
    val_rows: int = Field(description="Validation rows of a trial.")
    best_trial: int = Field(description="Number of the trial with the highest macro-F1; the first of equals.")
    best_value: float = Field(
        description="Its macro-F1 on one draw of validation rows, trained once on one draw of training rows with one seed;"
        " optimistic, because it is the best of many."
    )
    best_changes: dict[str, int | float] = Field(
        description="What that trial changed of `settings.base`, by name in `FinetuneSettings`."
    )
    trials: tuple[TrialRecord, ...]
    seconds: float = Field(description="Time of the latest call.")
    versions: dict[str, str]

    @property
    def finished(self) -> int:
        """Trials that count: complete or pruned."""
        return sum(trial.state != "failed" for trial in self.trials)

    @property
    def tuned(self) -> FinetuneSettings:
        """`settings.base` with the best changes: what to fine-tune with."""
        return FinetuneSettings.model_validate(self.settings.base.model_dump() | self.best_changes)
