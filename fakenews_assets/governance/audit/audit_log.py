"""Records of an audit: checks, facts, result."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, computed_field

from fakenews_assets.common.progress import report
from fakenews_assets.registry.bundle import BundleError, BundleMissing
from fakenews_assets.registry.champion import RegistryError
from fakenews_assets.selection.settings import SelectionPolicy
from fakenews_resources.storage.store import StoreError, ValueMissing

_UNREADABLE: Final = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    StoreError,
    BundleError,
    RegistryError,
    pl.exceptions.PolarsError,
)
"""Errors of reading a missing, truncated or invalid file."""


class AuditCheck(BaseModel):
    """One check: a recorded value and the recomputed one."""

    model_config = ConfigDict(frozen=True)

    what: str = Field(description="Kind of the check, such as `version` or `metrics`.")
    name: str = Field(description="Subject: a key of the store, a file, a request.")
    recorded: str
    found: str = Field(description="The recomputed value; `missing` or `unreadable` if that is impossible.")
    fault: str = Field(default="", description="The fault, in a sentence; empty: none.")

    @computed_field
    @property
    def ok(self) -> bool:
        """Whether the check passed."""
        return not self.fault


class Batch(BaseModel):
    """Origin of a batch, according to its record."""

    model_config = ConfigDict(frozen=True)

    name: str
    source_uri: str
    received_at: datetime | None


class Facts(BaseModel):
    """Origin of a bundle, according to its records. The checks confirm or refute them."""

    model_config = ConfigDict(frozen=True)

    candidate: str
    encoder: str | None
    runtime: str
    git_commit: str | None
    made_at: datetime | None
    runs: dict[str, str | None] = Field(description="Dagster run of every value, by key.")
    config: dict[str, Any] = Field(description="Configuration of every value, by key.")
    package_versions: dict[str, str]
    warm_start: tuple[str, ...] = Field(description="Bundles of the warm starts, the latest first.")
    batches: tuple[Batch, ...] = Field(description="Those whose raw bytes are readable.")
    training_articles: int | None = Field(description="None where the splits are not readable.")


class Promotion(BaseModel):
    """How a bundle last became the champion."""

    model_config = ConfigDict(frozen=True)

    action: str
    promoted_by: str
    launched_by: str | None
    promoted_at: datetime
    run_id: str | None
    reason: str
    policy: SelectionPolicy | None = Field(
        description="The rule that chose it; None where no decision was found."
    )
    replaced_at: datetime | None = Field(
        default=None,
        description="When another bundle took its place, if that was before the audited request; None: it was not.",
    )


class Audit(BaseModel):
    """Result of the audit of a bundle, and of one answer if it was requested."""

    model_config = ConfigDict(frozen=True)

    subject: str = Field(description="The request, or the bundle.")
    bundle: str = Field(description="Sha of the bundle; empty where the record that names it cannot be read.")
    audited_at: datetime
    code: str | None = Field(description="Commit of the code that ran the audit.")
    checks: tuple[AuditCheck, ...]
    not_checked: tuple[str, ...] = Field(description="What could not be recomputed, and why.")
    values_not_checked: int = Field(
        default=0,
        description="Rows, lines, records and versions among these that were erased, removed or are not sealed yet.",
    )
    taken_out: tuple[str, ...] = Field(
        default=(), description="What was erased or removed on purpose, by whom and why."
    )
    admitted: tuple[str, ...] = Field(
        default=(), description="Batches that a person admitted against a check, by whom and why."
    )
    answer: dict[str, Any] = Field(default_factory=dict, description="The answer as it was logged.")
    facts: Facts | None = None
    promotion: Promotion | None = None

    @property
    def faults(self) -> tuple[AuditCheck, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if not check.ok)

    @computed_field
    @property
    def intact(self) -> bool:
        """Whether every check passed."""
        return not self.faults


class AuditLog:
    """Collects the checks of an audit. Unreadable files are findings and raise no errors."""

    def __init__(self) -> None:
        self.checks: list[AuditCheck] = []
        self.not_checked: list[str] = []
        self.values_not_checked = 0
        self.taken_out: list[str] = []
        self.admitted: list[str] = []

    def add(self, what: str, name: str, recorded: object, found: object, fault: str) -> None:
        """Add a check; it passes if `fault` is empty."""
        self.checks.append(
            AuditCheck(what=what, name=name, recorded=str(recorded), found=str(found), fault=fault)
        )
        report(len(self.checks), unit="checks", note=f"the last one: {what} {name}")

    def skip(self, note: str, values: int) -> None:
        """Add to what is not checked, and count the values: rows, lines, records or versions."""
        self.not_checked.append(note)
        self.values_not_checked += values

    def compare(self, what: str, name: str, recorded: object, found: object, fault: str) -> None:
        """Add a check that passes if the two values are equal; `fault` says what is wrong if they are not."""
        self.add(what, name, recorded, found, "" if recorded == found else fault)

    def agree(self, what: str, name: str, recorded: str, fault: str) -> None:
        """Add a check of values that are too large to show; it passes if `fault` is empty."""
        self.add(what, name, recorded, "different" if fault else "equal", fault)

    @contextmanager
    def reading(self, what: str, name: str, recorded: str = "") -> Iterator[None]:
        """Turn errors of reading inside the block into a failed check."""
        try:
            yield
        except _UNREADABLE as error:
            gone = isinstance(error, FileNotFoundError | ValueMissing | BundleMissing)
            fault = f"{'missing' if gone else 'cannot be read'}: {error}"
            self.add(what, name, recorded, "missing" if gone else "unreadable", fault)


def shown(items: Sequence[str], most: int = 5) -> str:
    """The first few of many, for a sentence."""
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return "; ".join(items[:most]) + more
