"""Settings of the shortcut probes. Importing this module needs no heavy library."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

ProbeName = Literal["style", "source", "names", "single_token", "missing_text"]


class ProbeConfig(BaseModel):
    """Settings of `shortcut_probes`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    train_rows: int = Field(default=20_000, ge=100, description="Most training rows of a probe.")
    test_rows: int = Field(default=5_000, ge=50, description="Most test rows of a probe.")
    resamples: int = Field(default=500, ge=100, description="Bootstrap test sets behind each interval.")
    level: float = Field(
        default=0.95, gt=0, lt=1, description="Confidence level of intervals and lower bounds."
    )
    seed: int = Field(default=0, description="Seed of the bootstrap.")
    max_auc: float = Field(
        default=0.8,
        ge=0.5,
        le=1,
        description="Style, source or names are a shortcut if the lower bound of their ROC AUC reaches this. "
        "At 0.8 they rank four of five pairs of a fake and a real article correctly.",
    )
    max_auc_missing_text: float = Field(
        default=0.6,
        ge=0.5,
        le=1,
        description="The same for a missing text. At 0.6 one label lacks it 20 points more often than the "
        "other.",
    )
    token_purity: float = Field(
        default=0.95,
        gt=0.5,
        le=1,
        description="A token is a shortcut if the lower bound of its purity, the share of one label among "
        "the rows that contain it, reaches this ...",
    )
    token_coverage: float = Field(
        default=0.02,
        gt=0,
        le=1,
        description="... and at least this share of that label's rows contains it. Topic words are rarer or "
        "less pure.",
    )
