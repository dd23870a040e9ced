"""Settings of the monitoring. Importing this module needs no heavy library."""

from datetime import UTC, date, datetime
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

LOOK_BACK_DAYS = 30
"""Days before its own that a report may read: window of answers, and answers that labels belong to."""


class WindowSettings(BaseModel):
    """Settings of the window of answers. Default: all of the day."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    last_rows: int | None = Field(
        default=None,
        ge=1,
        description=f"Number of latest articles up to the end of the day, from at most {LOOK_BACK_DAYS} days before it.",
    )
    since: str | None = Field(
        default=None,
        description="ISO time, such as 2026-11-24T06:00: the articles from then to the end of the day. UTC unless"
        " it says otherwise.",
    )
    min_rows: int = Field(default=200, ge=20, description="Fewest different articles for a verdict on drift.")

    @field_validator("since")
    @classmethod
    def _is_a_time(cls, value: str | None) -> str | None:
        if value is not None:
            _moment(value)
        return value

    @model_validator(mode="after")
    def _one_window(self) -> Self:
        if self.last_rows is not None and self.since is not None:
            raise ValueError("last_rows and since are two different windows; give one of them")
        if self.last_rows is not None and self.last_rows < self.min_rows:
            raise ValueError(f"last_rows={self.last_rows} is below min_rows={self.min_rows}; raise it")
        return self

    @property
    def start(self) -> datetime | None:
        """`since` as a time; None if it is not set."""
        return None if self.since is None else _moment(self.since)


class DriftSettings(BaseModel):
    """Settings of drift detection: a window has drifted if a feature changed by more than chance explains and by
    enough to matter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    level: float = Field(
        default=0.01,
        gt=0,
        lt=0.5,
        description="Chance of a false alarm when nothing has changed, over all features together.",
    )
    min_distance: float = Field(
        default=0.1,
        ge=0,
        description="Smallest change of a numeric feature that matters: Wasserstein distance in standard "
        "deviations of the reference. 0.1 is Evidently's default.",
    )
    min_auc: float = Field(
        default=0.55,
        ge=0.5,
        lt=1,
        description="Smallest change of the embeddings that matters: area under the ROC curve of a "
        "classifier between window and reference; 0.5 is no change.",
    )
    abstention_level: float = Field(
        default=0.001,
        gt=0,
        lt=0.5,
        description="Chance of a false alarm on the share of abstentions when nothing has changed. One in 1,000 days means"
        " one in about 3 % of months. It also holds for the share of articles that a cascade defers.",
    )
    min_abstention_points: float = Field(
        default=5.0,
        ge=0,
        description="Smallest increase of the share of abstentions that matters, in percentage points; of deferred articles"
        " too.",
    )
    permutations: int = Field(default=999, ge=99, description="Number of permutations.")
    embedded_rows: int = Field(
        default=2000,
        ge=100,
        description="Articles of the window that are embedded, at most; drawn at random.",
    )
    embedded_reference_rows: int = Field(
        default=4000, ge=100, description="Articles of the reference that are embedded, at most."
    )
    seed: int = Field(default=0, ge=0, description="Seed of the permutations and of the embedded articles.")

    @model_validator(mode="after")
    def _enough_permutations(self) -> Self:
        if self.level * self.permutations < 4:  # the level is shared by two tests, and the tail is to be seen
            raise ValueError(
                f"{self.permutations} permutations cannot show a chance of {self.level:g}; take at least"
                f" {4 / self.level:.0f}"
            )
        return self


class DriftReportSettings(WindowSettings, DriftSettings):
    """Settings of `drift_report`."""


class PerformanceSettings(BaseModel):
    """Settings of the comparison of answers with late labels."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    days: int = Field(
        default=7,
        ge=1,
        le=LOOK_BACK_DAYS,
        description="Days of labels: the day itself, and those before it.",
    )
    min_labels: int = Field(
        default=100, ge=10, description="Fewest labelled articles for a verdict on quality."
    )
    max_drop_points: float = Field(
        default=2.0,
        ge=0,
        description="Tolerated points of macro-F1 below the champion's evaluation, at the same share of fakes. Quality has "
        "dropped if the whole interval is lower.",
    )
    resamples: int = Field(default=1000, ge=100, description="Bootstrap samples behind each interval.")
    level: float = Field(default=0.95, gt=0, lt=1, description="Confidence level of the intervals.")
    seed: int = Field(default=0, ge=0, description="Seed of the bootstrap.")


class PageSettings(BaseModel):
    """What the monitoring page shows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    days: int = Field(default=30, ge=2, le=366, description="Days on the page, the last of them today.")
    until: str = Field(default="", description="ISO date of the last day; empty: today.")

    @field_validator("until")
    @classmethod
    def _is_a_day(cls, value: str) -> str:
        if value:
            date.fromisoformat(value)
        return value

    @property
    def last_day(self) -> date:
        """`until` as a date."""
        return date.fromisoformat(self.until) if self.until else datetime.now(UTC).date()


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
