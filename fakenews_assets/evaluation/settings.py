"""Settings of an evaluation. Importing this module needs no heavy library."""

from pydantic import BaseModel, ConfigDict, Field


class ScoringSettings(BaseModel):
    """Settings of the metrics and the robustness tests."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    resamples: int = Field(default=1000, ge=100, description="Bootstrap test sets behind each interval.")
    level: float = Field(default=0.95, gt=0, lt=1, description="Confidence level of the intervals.")
    seed: int = Field(
        default=0,
        description="Draws the bootstrap, the articles of the speed measurement, and those that the out-of-distribution detector is fitted on.",
    )
    masked_rows: int = Field(
        default=2000, ge=1, description="Most test rows that are predicted again with shortcuts masked."
    )
    behaviour_cases: int = Field(default=200, ge=1, description="Most test rows for the behavioural tests.")


class EvaluationSettings(ScoringSettings):
    """Settings of `evaluation`."""

    target_precision: float | None = Field(
        default=0.98,
        gt=0,
        le=1,
        description="Share of right answers, chosen on validation, among those called real and those called fake;"
        " uncertain articles get no answer. null: always answer.",
    )
    max_abstain: float = Field(
        default=0.5,
        ge=0,
        lt=1,
        description="Largest share of validation rows on which the classifier may abstain.",
    )
    ood_share: float | None = Field(
        default=0.005,
        gt=0,
        le=0.5,
        description="Share of validation articles that may be refused as unlike those that the model was trained on."
        " null: nothing is refused for that.",
    )
