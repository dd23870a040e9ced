"""The champion as the graph stores it: the registry's pointer, with the decision that chose its bundle."""

from typing import ClassVar, Final, Self

from pydantic import Field

from fakenews_assets.common.records import StoredRecord
from fakenews_assets.evaluation.partitions import CANDIDATES
from fakenews_assets.registry.bundle import open_bundle
from fakenews_assets.registry.champion import ChampionRegistry, Pointer, RegistryError
from fakenews_resources.storage.store import Store

_SELECTION: Final = "selected_model"


class ChampionRecord(StoredRecord):
    """The champion at one time. A selection that promotes nothing leaves it as it is."""

    file: ClassVar[str] = "champion.json"

    pointer: Pointer
    candidate: str
    model: str | None = Field(
        description="Version of the candidate's model; None: the graph has no such candidate now."
    )
    decision: str | None = Field(
        description="Version of `selected_model` that chose the bundle; None: a person moved the champion, or it was pruned."
    )

    @classmethod
    def in_force(cls, store: Store) -> Self:
        """The champion now.

        Raises:
            RegistryError: there is none, or its history is damaged.
            BundleError: its bundle is missing or damaged.
        """
        history = ChampionRegistry(store.bundles).history()
        if not history:
            raise RegistryError("There is no champion; materialize selected_model first.")
        pointer = history[-1]
        manifest = open_bundle(store.bundle(pointer.bundle)).manifest
        return cls(
            pointer=pointer,
            candidate=manifest.candidate,
            model=manifest.data_versions.get(CANDIDATES.get(manifest.candidate, "")),
            decision=_decision_on(store, history, pointer.bundle),
        )

    @property
    def named(self) -> dict[str, str]:
        """Which model it is and what chose it, for the metadata of what it has made."""
        return {
            "model_id": self.pointer.bundle,
            "candidate": self.candidate,
            "decision": self.decision or "not stored",
            "champion_since": f"{self.pointer.promoted_at:%Y-%m-%d %H:%M} UTC, by {self.pointer.promoted_by}",
            "reason": self.pointer.reason,
        }


def _decision_on(store: Store, history: list[Pointer], bundle: str) -> str | None:
    """The version of the last decision that promoted a bundle. A rollback returns to what an earlier one chose."""
    runs = {entry.run_id for entry in history if (entry.bundle, entry.action) == (bundle, "promote")} - {None}
    records = [store.get(_SELECTION, version).record for version in store.versions(_SELECTION)]
    found = [
        (record.created_at, record.version)
        for record in records
        if record and record.run_id in runs and record.meta.get("promotes") == bundle
    ]
    return max(found)[1] if found else None
