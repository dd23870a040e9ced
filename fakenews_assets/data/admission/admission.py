"""A person's decision to admit a batch although a check refused it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field

from fakenews_assets.data.batch_checks import CheckOutcome
from fakenews_resources.storage.artifact import Artifact

FILE: Final = "admission.json"
OVERRULABLE: Final = ("label_balance", "label_semantics")
"""Checks that judge labels by what is usual. What the others refuse cannot be trained on."""


class AdmissionSettings(BaseModel):
    """Settings of `admission`: who admits the batch, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    because: str = Field(min_length=1, description="Why the batch is right as it is.")
    by: str = Field(min_length=1, description="Name of the person.")
    checks: tuple[str, ...] = Field(
        default=OVERRULABLE, description="The checks that are overruled: label_balance, label_semantics."
    )


class Admission(AdmissionSettings):
    """An admission as it is stored."""

    at: datetime

    @classmethod
    def read(cls, stored: Artifact) -> Self:
        """Read what the asset `admission` stored for a batch."""
        return cls.model_validate(stored.read_json(FILE))

    @property
    def sentence(self) -> str:
        """Who admitted the batch, when and why."""
        return f"Admitted on {self.at:%Y-%m-%d %H:%M} UTC by {self.by}: {self.because}"

    def overrule(self, outcomes: Sequence[CheckOutcome]) -> list[CheckOutcome]:
        """The results of a batch's checks, of which those that it overrules pass with a warning."""
        return [
            outcome.model_copy(
                update={
                    "passed": True,
                    "warns": True,
                    "description": f"{outcome.description} {self.sentence}.",
                }
            )
            if not outcome.passed and outcome.name in {*self.checks}.intersection(OVERRULABLE)
            else outcome
            for outcome in outcomes
        ]
