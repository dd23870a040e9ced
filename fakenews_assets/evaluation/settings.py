"""Settings of an evaluation. Importing this module needs no heavy library."""

from pydantic import BaseModel, ConfigDict, Field


class ScoringSettings(BaseModel):
    """Settings of the metrics and the robustness tests."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    resamples: int = Field(default=1000, ge=100, description="Bootstrap test sets behind each interval.")
    level: float = Field(
        default=0.95,
        gt=0,
        lt=1,
        description="Confidence level of the intervals and of the promised precisions.",
    )
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
        description="Target precision of each class on new articles. The model abstains where it is uncertain; where the"
        " target cannot be promised, the promise is lower. null: never abstain.",
    )
    max_abstain: float = Field(
        default=0.5,
        ge=0,
        lt=1,
        description="Largest share of the articles called real, and of those called fake, that may get no answer.",
    )
    ood_share: float | None = Field(
        default=0.005,
        gt=0,
        le=0.5,
        description="Largest share of validation articles that may count as out of distribution. null: no "
        "out-of-distribution detection.",
    )
    ood_rows: int = Field(
        default=4000,
        ge=2,
        description="Most articles of a split from which the out-of-distribution limits are learnt.",
    )
    speed_seconds: float = Field(
        default=5.0, gt=0, description="Time limit of each of the five measurements of speed, in seconds."
    )
