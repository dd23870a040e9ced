"""Which batch holds which bytes, so that no bytes are ingested twice.

    <store>/received/<sha256>     the batch that received these bytes, and the run that did

A claim is written before its batch is stored, by compare-and-swap: of two runs that receive the same bytes at once, one
gets it. A claim whose batch was not stored, or is no longer part of the corpus, gives way to the next.
"""

from collections.abc import Callable

from pydantic import BaseModel, ConfigDict

from fakenews_resources.storage.backend import Conflict
from fakenews_resources.storage.store import Store


class Claim(BaseModel):
    """A batch that has received some bytes."""

    model_config = ConfigDict(frozen=True)

    batch: str
    run_id: str


class Claims:
    """The claims of a store."""

    def __init__(self, store: Store) -> None:
        self._backend = store.backend.below("received")

    def of(self, sha256: str) -> Claim | None:
        """The last claim on some bytes, by their hex digest."""
        found = self._backend.read(sha256)
        return Claim.model_validate_json(found.data) if found else None

    def claim(self, sha256: str, mine: Claim, stands: Callable[[Claim], bool]) -> Claim:
        """Claim bytes for a batch.

        Args:
            sha256: hex digest of the bytes.
            mine: the claim.
            stands: whether an earlier one of another batch keeps them.

        Returns:
            The claim that holds now: `mine`, or an earlier one that stands.
        """
        while True:
            found = self._backend.read(sha256)
            earlier = Claim.model_validate_json(found.data) if found else None
            if earlier and earlier.batch != mine.batch and stands(earlier):
                return earlier
            try:
                self._backend.write(sha256, mine.model_dump_json().encode(), replaces=found)
            except Conflict:  # another run was faster
                continue
            return mine
