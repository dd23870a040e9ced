"""The stored decision of a selection."""

from typing import ClassVar

from pydantic import Field

from fakenews_assets.common.records import StoredRecord
from fakenews_assets.selection.gate import GateDecision
from fakenews_assets.selection.policy import Choice


class Decision(StoredRecord):
    """Which candidate was chosen, whether it was promoted, and why."""

    file: ClassVar[str] = "decision.json"

    bundle: str = Field(description="Sha of the bundle of the chosen candidate.")
    candidate: str
    promoted: bool
    reasons: tuple[str, ...]
    champion: str | None = Field(description="Sha of the champion's bundle afterwards; None: there is none.")
    replaced: str | None = Field(description="Sha of the bundle that was champion before; None: no change.")
    choice: Choice
    gate: GateDecision
    articles_per_second: dict[str, float] = Field(description="Measured turn by turn, by candidate.")
    left_out: dict[str, str] = Field(description="Why other evaluations were not eligible, by candidate.")

    @property
    def reason(self) -> str:
        """All reasons in one line, for the champion's history."""
        return "; ".join(self.reasons)
