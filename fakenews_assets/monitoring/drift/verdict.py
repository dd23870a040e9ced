"""The verdict of a drift report."""

from datetime import datetime
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from fakenews_assets.common.records import StoredRecord

DRIFT_PAGES = ("data_drift", "drift_tests", "text_metrics")
"""Names of Evidently's pages beside the verdict, without `.html`; the last one needs titles in the log."""


class FeatureDrift(BaseModel):
    """Change of one feature."""

    model_config = ConfigDict(frozen=True)

    name: str
    measure: Literal["wasserstein", "auc"] = Field(
        description="`wasserstein`: distance in standard deviations of the reference. `auc`: area under the ROC"
        " curve of a classifier between reference and window."
    )
    value: float
    chance: float = Field(description="Permutation threshold at the configured level.")
    relevant: float = Field(description="Smallest change that matters, by the settings.")

    @property
    def threshold(self) -> float:
        """The feature has drifted above this value."""
        return max(self.chance, self.relevant)

    @property
    def drifted(self) -> bool:
        """Whether the change is more than chance and large enough to matter."""
        return self.value > self.threshold

    @property
    def score(self) -> float:
        """The value in units of its threshold: above 1 is drift."""
        zero = 0.5 if self.measure == "auc" else 0.0
        return max(0.0, self.value - zero) / max(self.threshold - zero, 1e-9)


class DriftVerdict(StoredRecord):
    """The verdict of a day's report, in numbers."""

    file: ClassVar[str] = "verdict.json"

    model_id: str | None = Field(description="Bundle that answered; None: no answers.")
    candidate: str | None
    rows: int = Field(description="Different articles in the window.")
    reference_rows: int
    first: datetime | None = Field(description="Time of the first answer in the window.")
    last: datetime | None
    by_other_models: int = Field(description="Answers of earlier models in the window; left out.")
    repeated: int = Field(description="Earlier answers about repeated articles; left out.")
    min_rows: int
    features: tuple[FeatureDrift, ...] = Field(description="Empty where there are too few rows.")
    notes: tuple[str, ...] = ()
    data_note: str | None = Field(default=None, description="Warning to show beside the model's scores.")

    @property
    def drifted(self) -> bool | None:
        """None: too few rows."""
        return any(feature.drifted for feature in self.features) if self.features else None

    @property
    def score(self) -> float | None:
        """The largest of the features' scores; above 1 is drift. None: too few rows."""
        return max((feature.score for feature in self.features), default=None)

    @property
    def summary(self) -> str:
        """One sentence."""
        if not self.features:
            return (
                f"Too few answers for a verdict: {self.rows} different articles, {self.min_rows} are needed."
            )
        moved = sorted((one for one in self.features if one.drifted), key=lambda one: -one.score)
        if not moved:
            return f"No drift in {self.rows:,} articles."
        named = ", ".join(f"{one.name} ({one.value:.2f}, tolerated {one.threshold:.2f})" for one in moved)
        return f"{self.rows:,} articles have drifted: {named}."
