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
    seed: int = Field(default=0, description="Draws the bootstrap.")
    max_auc: float = Field(
        default=0.8,
        ge=0.5,
        le=1,
        description="Style, source or names are a shortcut if their ROC AUC is surely as high: of a fake and a real"
        " article they then tell in four pairs of five which is which.",
    )
    max_auc_missing_text: float = Field(
        default=0.6,
        ge=0.5,
        le=1,
        description="The same for the mere lack of a text; 0.6 means that one label lacks it 20 points more often.",
    )
    token_purity: float = Field(
        default=0.95,
        gt=0.5,
        le=1,
        description="A token is a shortcut if surely such a share of the rows that hold it has one label ...",
    )
    token_coverage: float = Field(
        default=0.02,
        gt=0,
        le=1,
        description="... and such a share of that label's rows holds it. Words of a topic are rarer or less pure.",
    )
