"""Settings of the selection. Importing this module needs no heavy library."""

from pydantic import BaseModel, ConfigDict, Field


class SelectionPolicy(BaseModel):
    """Settings of policy and gate. A point is one hundredth of macro-F1 or of ROC AUC."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_loss_points: float = Field(
        default=0.5,
        ge=0,
        description="Most points of macro-F1 below the best candidate, and the loss against the champion that the gate"
        " must be able to rule out.",
    )
    max_unseen_loss_points: float = Field(
        default=1.0,
        ge=0,
        description="Most points of ROC AUC on the held-out publishers of the selection split below the best candidate.",
    )
    significance_level: float = Field(
        default=0.95,
        gt=0,
        lt=1,
        description="Confidence level of the paired intervals; McNemar's test has 1 minus this as its "
        "significance level.",
    )
    resamples: int = Field(default=1000, ge=100, description="Bootstrap test sets behind each interval.")
    seed: int = Field(default=0, ge=0, description="Seed of the bootstrap.")
    max_megabytes: float | None = Field(
        default=None, gt=0, description="Largest size on disk, in units of 10^6 bytes; null: any."
    )
    max_latency_ms: float | None = Field(
        default=None, gt=0, description="Longest median time of one article, in milliseconds; null: any."
    )
    faster_ratio: float = Field(
        default=1.05,
        ge=1,
        description="A challenger that is not significantly better must surely exceed this multiple of the champion's"
        " articles per second.",
    )
    anchors: int = Field(
        default=3,
        ge=0,
        description="Earlier champions, the latest first, to the best of which a challenger must not be inferior either.",
    )

    max_parity_gap_points: float = Field(
        default=8.0,
        ge=0,
        description="Largest difference between the false-positive rates of two groups, in percentage points.",
    )
    parity_blocks: bool = Field(
        default=False, description="Whether a larger difference stops the promotion; else the check warns."
    )


class CardSettings(BaseModel):
    """What the model card says of the model besides what was measured."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    owner: str = Field(default="team:ml", min_length=1, description="Owner, for the model card.")
    licence: str = Field(
        default="MIT for the code; the weights as their encoder and their corpora allow",
        min_length=1,
        description="Licence, for the model card.",
    )


class SelectionSettings(SelectionPolicy, CardSettings):
    """Settings of `selected_model`."""


class Rollback(BaseModel):
    """Settings of `rollback_champion`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: str = Field(min_length=3, description="Reason, kept in the champion's history.")
    promoted_by: str = Field(default="rollback_champion", description="Person who asks for it.")
