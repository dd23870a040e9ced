"""Every choice of an evaluation, in plain records: nothing here needs a heavy library."""

from pydantic import BaseModel, ConfigDict, Field


class ScoringSettings(BaseModel):
    """How answers on the test split are scored."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    resamples: int = Field(default=1000, ge=100, description="Bootstrap test sets behind each interval.")
    level: float = Field(default=0.95, gt=0, lt=1, description="Confidence level of the intervals.")
    seed: int = Field(
        default=0,
        description="Draws the bootstrap, the articles of the speed measurement, and those that the out-of-distribution detector is fitted on.",
    )
    masked_rows: int = Field(
        default=2000, ge=1, description="Test rows that are judged again with shortcuts hidden, at most."
    )
    behaviour_cases: int = Field(
        default=200, ge=1, description="Test rows that the behavioural tests change, at most."
    )


class EvaluationSettings(ScoringSettings):
    """How a candidate is calibrated and judged."""

    target_precision: float | None = Field(
        default=0.98,
        gt=0,
        le=1,
        description="Share of right answers, chosen on validation, among those called real and those called fake;"
        " uncertain articles get no answer. null: always answer.",
    )
    max_abstain: float = Field(
        default=0.5, ge=0, lt=1, description="Most validation rows without an answer, as a share."
    )
    ood_share: float | None = Field(
        default=0.005,
        gt=0,
        le=0.5,
        description="Share of validation articles that may be refused as unlike those that the model was trained on."
        " null: nothing is refused for that.",
    )
