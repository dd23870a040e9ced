"""Settings of an evaluation. Importing this module needs no heavy library."""

from pydantic import BaseModel, ConfigDict, Field


class ScoringSettings(BaseModel):
    """Settings of the metrics and the robustness tests."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    resamples: int = Field(default=1000, ge=100, description="Bootstrap test sets behind each interval.")
    level: float = Field(default=0.95, gt=0, lt=1, description="Confidence level of the intervals.")
    seed: int = Field(
        default=0,
        description="Seed of the bootstrap, and of the articles for measuring speed and fitting the OOD detector.",
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
        description="Target precision of each class. The abstention band is the narrowest one that reaches "
        "it on the validation split. null: never abstain.",
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
        description="Largest share of validation articles that may count as out of distribution. null: no "
        "out-of-distribution detection.",
    )
