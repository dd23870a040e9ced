"""The verdict of a drift report."""

from datetime import datetime
from typing import ClassVar, Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from fakenews_assets.common.records import StoredRecord


class DriftPage(NamedTuple):
    """One of Evidently's pages beside the verdict."""

    title: str
    link: str
    """Text of a link to it in a table of days."""


DRIFT_PAGES: Final = {
    "drift_tests": DriftPage("Drift tests", "tests"),
    "data_drift": DriftPage("Data drift", "drift"),
    "text_metrics": DriftPage("Titles", "texts"),
}
"""By name of the file without `.html`, in the order of their links; the last one needs titles in the log."""


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


class Abstentions(BaseModel):
    """Abstentions in the window, beside those on the reference."""

    model_config = ConfigDict(frozen=True)

    rows: int
    abstained: int
    out_of_distribution: int = Field(description="Abstentions because the article is out of distribution.")
    reference_rows: int
    reference_abstained: int
    tolerated: float = Field(description="A larger share is more than chance explains, and enough to matter.")

    @property
    def share(self) -> float:
        """Share of abstentions in the window."""
        return self.abstained / self.rows

    @property
    def expected(self) -> float:
        """Share of abstentions on the reference."""
        return self.reference_abstained / self.reference_rows

    @property
    def risen(self) -> bool:
        """Whether the model abstains more often than is tolerated."""
        return self.share > self.tolerated

    @property
    def summary(self) -> str:
        """One sentence."""
        return (
            f"{self.share:.1%} of {self.rows:,} articles got no answer ({self.out_of_distribution:,} out of"
            f" distribution); {self.expected:.1%} in the evaluation, up to {self.tolerated:.1%} is tolerated:"
            f" {'too many' if self.risen else 'as evaluated'}."
        )


class Deferrals(BaseModel):
    """What a cascade left to its second stage in the window, beside the reference. More of it is slower."""

    model_config = ConfigDict(frozen=True)

    rows: int
    deferred: int
    reference_rows: int
    reference_deferred: int
    tolerated: float = Field(description="A larger share is more than chance explains, and enough to matter.")

    @property
    def share(self) -> float:
        """Share of deferred articles in the window."""
        return self.deferred / self.rows

    @property
    def risen(self) -> bool:
        """Whether more is deferred than is tolerated."""
        return self.share > self.tolerated

    @property
    def summary(self) -> str:
        """One sentence."""
        return (
            f"The first stage left {self.share:.1%} of {self.rows:,} articles to the second;"
            f" {self.reference_deferred / self.reference_rows:.1%} in the evaluation, up to {self.tolerated:.1%} is"
            f" tolerated: {'too many' if self.risen else 'as evaluated'}."
        )


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
    abstentions: Abstentions | None = Field(default=None, description="None: too few rows.")
    deferrals: Deferrals | None = Field(
        default=None, description="None: the model is no cascade, there are too few rows, or no titles."
    )
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
    def abstains_more(self) -> bool | None:
        """Whether the model abstains more often than is tolerated. None: too few rows."""
        return self.abstentions.risen if self.abstentions else None

    @property
    def too_few(self) -> str:
        """One sentence on a window without a verdict."""
        return f"Too few answers for a verdict: {self.rows} different articles, {self.min_rows} are needed."

    @property
    def abstention_summary(self) -> str:
        """One sentence on the share of abstentions."""
        return self.abstentions.summary if self.abstentions else self.too_few

    @property
    def deferral_summary(self) -> str:
        """One sentence on the share of deferred articles."""
        return (
            self.deferrals.summary
            if self.deferrals
            else "No cascade answered, or too few articles are known."
        )

    @property
    def summary(self) -> str:
        """One sentence on the drift of the features."""
        if not self.features:
            return self.too_few
        moved = sorted((one for one in self.features if one.drifted), key=lambda one: -one.score)
        if not moved:
            return f"No drift in {self.rows:,} articles."
        named = ", ".join(f"{one.name} {one.score:.1f}" for one in moved)
        return f"{self.rows:,} articles have drifted, in multiples of what is tolerated: {named}."
