"""Settings of the rollout. Importing this module needs no heavy library."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class RolloutSettings(BaseSettings):
    """When a new champion gets how much traffic. Environment variables that begin with FAKENEWS_ROLLOUT_ set it."""

    model_config = SettingsConfigDict(env_prefix="FAKENEWS_ROLLOUT_", frozen=True)

    service: str | None = Field(
        default=None,
        description="projects/PROJECT/locations/REGION/services/NAME, the service on Cloud Run; none: no rollouts.",
    )
    share: int = Field(default=10, ge=1, le=50, description="Percent of the traffic during a trial.")
    minutes: float = Field(
        default=30, gt=0, description="How long a trial lasts, and how long it is prolonged."
    )
    min_requests: int = Field(
        default=200, ge=1, description="Requests that a trial needs; with fewer it goes on."
    )
    max_more_failures: float = Field(
        default=0.01,
        ge=0,
        description="A trial is withdrawn if its share of answers with status 5xx is higher by more than this.",
    )
    max_slower: float = Field(
        default=1.5,
        ge=1,
        description="A trial is withdrawn if 95 % of its answers take longer than this many times the other revision's.",
    )


class RolloutStep(BaseModel):
    """What a person asks of one step of the rollout."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    finish: bool = Field(
        default=False, description="Give the trial all of the traffic now, whatever its figures."
    )
    again: bool = Field(
        default=False, description="Build the champion again, from a newer container context, and try it."
    )
    reason: str = Field(default="", description="Why; required with `finish` and `again`.")

    @model_validator(mode="after")
    def _explained(self) -> Self:
        if (self.finish or self.again) and not self.reason.strip():
            raise ValueError("give a reason")
        return self
