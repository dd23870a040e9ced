"""The result of a training, which is stored beside its model."""

from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from fakenews_assets.training.finetuning.history import TrainingHistory, ValidationPoint
from fakenews_assets.training.settings import FinetuneSettings

RECORD_FILE: Final = "training.json"


class FinetuneResult(BaseModel):
    """Result of a training; stored beside the model as training.json."""

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    settings: FinetuneSettings
    train_rows: int
    val_rows: int
    steps: int = Field(description="Optimisation steps taken, resumed ones included.")
    total_steps: int = Field(description="Steps planned; more than `steps` if training stopped early.")
    resumed_from_step: int = Field(
        description="Step of the checkpoint this process started from; 0: from scratch."
    )
    best: ValidationPoint = Field(description="The validation whose weights were saved.")
    history: TrainingHistory
    seconds: float = Field(description="Time in training steps and checkpoints, over all resumptions.")
    rows_per_second: float = Field(description="Training rows per such second.")
    precision: str = Field(description="`bf16` or `fp32`: arithmetic of the forward pass.")
    start_sha256: str = Field(
        description="Digest of what the training began with: pretrained weights and their configuration, or"
        " the teacher and the recipe."
    )
    versions: dict[str, str]

    @property
    def stopped_early(self) -> bool:
        """Whether the validation loss ended the run before its last step."""
        return self.steps < self.total_steps


def read_result(folder: Path) -> FinetuneResult:
    """The training result of a saved classifier."""
    return FinetuneResult.model_validate_json((folder / RECORD_FILE).read_text())
