"""The champion's pointer and history.

    <models>/champion.json            the pointer in force, replaced as a whole
    <models>/champion_history.jsonl   every pointer ever prepared, only ever appended to

A pointer is appended to the history first and becomes current second. Each names its predecessor, so the valid
history is the chain that ends at the current pointer. An entry that a kill left between the two steps is not on that
chain and is ignored. Each line also holds the SHA-256 of all that was there before it, so that nothing can be removed,
edited or moved without changing every line that follows.

Both writes are compare-and-swap: if two processes decide at the same time, one wins and the other gets an error.
"""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random

from fakenews_assets.registry.bundle import open_bundle
from fakenews_resources.storage.backend import Backend, Conflict, Document, as_backend

POINTER_FILE: Final = "champion.json"
HISTORY_FILE: Final = "champion_history.jsonl"

_ATTEMPTS: Final = 20
"""At the history, which others may be writing too."""


class RegistryError(RuntimeError):
    """The champion cannot be read or moved; the message says what to do next."""


class ChampionMoved(RegistryError):
    """Another bundle is champion than the one the caller compared with."""


class Pointer(BaseModel):
    """One move of the champion."""

    model_config = ConfigDict(frozen=True)

    sequence: int = Field(
        ge=1, description="Rises with every move; the number of one that failed is left out."
    )
    bundle: str = Field(pattern=r"^[0-9a-f]{64}$", description="Sha of the champion's bundle.")
    previous: int | None = Field(description="Sequence of the pointer that was in force before.")
    action: Literal["promote", "rollback"]
    reason: str
    run_id: str | None
    promoted_by: str = Field(description="Who or what moved it.")
    launched_by: str | None = Field(
        default=None, description="Who or what launched the run; None: there was none, or it is not recorded."
    )
    promoted_at: datetime
    follows: str | None = Field(
        default=None,
        description="SHA-256 of the history before it; None: there was none, or the entry is older than this field.",
    )


class ChampionRegistry:
    """The champion among the bundles of one storage backend. Safe for several processes."""

    def __init__(self, backend: Backend | Path) -> None:
        """Args: backend: what holds the bundles."""
        self.backend = as_backend(backend)

    def champion(self) -> Pointer | None:
        """The current pointer; None if there is no champion yet."""
        return self._pointer(self.backend.read(POINTER_FILE))

    def history(self) -> list[Pointer]:
        """Every pointer that was current, oldest first and the champion last.

        Raises:
            RegistryError: the history lacks an entry that the champion builds on.
        """
        # In this order: a pointer is in the history before it is in force.
        pointer = self.champion()
        entries = {entry.sequence: entry for entry in _entries(self.backend.read(HISTORY_FILE))}
        if pointer is not None and entries.get(pointer.sequence) != pointer:
            raise self._broken(pointer.sequence)
        chain: list[Pointer] = []
        while pointer is not None:
            chain.append(pointer)
            if pointer.previous is None:
                break
            if pointer.previous >= pointer.sequence or pointer.previous not in entries:
                raise self._broken(pointer.previous)
            pointer = entries[pointer.previous]
        return chain[::-1]

    def promoted(self) -> list[str]:
        """The promoted bundles that were not rolled back, the champion last. Rolling back walks down this list.

        Raises:
            RegistryError: as `history`.
        """
        promoted: list[str] = []
        for pointer in self.history():
            if pointer.action == "promote":
                promoted.append(pointer.bundle)
            else:
                promoted.pop()
        return promoted

    def promote(
        self,
        bundle_sha: str,
        *,
        expected: str | None,
        reason: str,
        run_id: str | None,
        promoted_by: str,
        launched_by: str | None = None,
    ) -> Pointer:
        """Make a bundle the champion, if the champion is still the one it was compared with.

        Args:
            bundle_sha: the new champion.
            expected: bundle of the champion that the decision was taken against; None: there was none.
            reason: why, for the history.
            run_id: the run that decided, if any.
            promoted_by: who or what decided.
            launched_by: who or what launched that run.

        Raises:
            ChampionMoved: the champion is not `expected`.
            BundleMissing, BundleDamaged: see `open_bundle`.
            ValueError: the bundle is the champion already.
        """
        open_bundle(self.backend.fetch(bundle_sha))
        in_force = self.backend.read(POINTER_FILE)
        champion = self._require(expected, in_force)
        if champion is not None and champion.bundle == bundle_sha:
            raise ValueError(f"{bundle_sha} is the champion already; there is nothing to promote.")
        return self._move(in_force, champion, bundle_sha, "promote", reason, run_id, promoted_by, launched_by)

    def rollback(
        self,
        *,
        reason: str,
        run_id: str | None,
        promoted_by: str,
        launched_by: str | None = None,
        expected: str | None = None,
    ) -> Pointer:
        """Make the previous champion's bundle champion again. A second rollback goes one further back.

        Args:
            reason: why, for the history.
            run_id: the run that decided, if any.
            promoted_by: who or what decided.
            launched_by: who or what launched that run.
            expected: bundle of the champion to roll back; None: the current one.

        Raises:
            ChampionMoved: `expected` is given and not the champion.
            RegistryError: there is no earlier champion.
            BundleMissing, BundleDamaged: the bundle to go back to; see `open_bundle`.
        """
        in_force = self.backend.read(POINTER_FILE)
        champion = self._pointer(in_force) if expected is None else self._require(expected, in_force)
        promoted = self.promoted()
        if champion is None or len(promoted) < 2:
            raise RegistryError("No earlier champion to go back to; promote another bundle instead.")
        open_bundle(self.backend.fetch(promoted[-2]))
        return self._move(
            in_force, champion, promoted[-2], "rollback", reason, run_id, promoted_by, launched_by
        )

    def _pointer(self, document: Document | None) -> Pointer | None:
        return pointer_in(document, self.backend) if document else None

    def _require(self, expected: str | None, in_force: Document | None) -> Pointer | None:
        champion = self._pointer(in_force)
        found = champion.bundle if champion else None
        if found != expected:
            raise ChampionMoved(
                f"The champion is {found or 'not set'}, not {expected or 'unset'} as the decision assumed."
                " Compare with it and decide again."
            )
        return champion

    def _move(
        self,
        in_force: Document | None,
        champion: Pointer | None,
        bundle: str,
        action: Literal["promote", "rollback"],
        reason: str,
        run_id: str | None,
        promoted_by: str,
        launched_by: str | None,
    ) -> Pointer:
        pointer = Pointer(
            sequence=1,
            bundle=bundle,
            previous=champion.sequence if champion else None,
            action=action,
            reason=reason,
            run_id=run_id,
            promoted_by=promoted_by,
            launched_by=launched_by,
            promoted_at=datetime.now(UTC),
        )
        try:
            pointer = self._append(pointer)
            self.backend.write(
                POINTER_FILE, f"{pointer.model_dump_json(indent=2)}\n".encode(), replaces=in_force
            )
        except Conflict as error:
            raise ChampionMoved(
                "Another process moved the champion. Compare with the new one and decide again."
            ) from error
        return pointer

    @retry(
        retry=retry_if_exception_type(Conflict),
        stop=stop_after_attempt(_ATTEMPTS),
        wait=wait_random(0, 0.1),
        reraise=True,
    )
    def _append(self, pointer: Pointer) -> Pointer:
        """Append a pointer with the next sequence number."""
        before = self.backend.read(HISTORY_FILE)
        last = max((entry.sequence for entry in _entries(before)), default=0)
        text = before.data if before else b""
        if text and not text.endswith(b"\n"):
            text += b"\n"
        follows = hashlib.sha256(text).hexdigest() if text else None
        numbered = pointer.model_copy(update={"sequence": last + 1, "follows": follows})
        self.backend.write(HISTORY_FILE, text + f"{numbered.model_dump_json()}\n".encode(), replaces=before)
        return numbered

    def _broken(self, sequence: int) -> RegistryError:
        return RegistryError(
            f"{self.backend.address}/{HISTORY_FILE} lacks entry {sequence}, or holds another one than the champion builds on."
            " Restore the file from a backup."
        )


def pointer_in(document: Document, backend: Backend) -> Pointer:
    """Parse the content of a POINTER_FILE.

    Raises:
        RegistryError: it is damaged.
    """
    try:
        return Pointer.model_validate_json(document.data)
    except ValidationError as error:
        raise RegistryError(
            f"{backend.address}/{POINTER_FILE} is damaged. Restore it from the last good line of {HISTORY_FILE}."
        ) from error


def first_out_of_order(history: bytes) -> int | None:
    """Sequence of the first entry that does not follow on what is before it; None: each does.

    Entries at the beginning may be older than `Pointer.follows`, which nothing protects.
    """
    before, linked = hashlib.sha256(), False
    for at, line in enumerate(history.splitlines(keepends=True)):
        for entry in _entries_of(line):
            expected = before.hexdigest() if at else None
            if entry.follows != expected and (linked or entry.follows is not None):
                return entry.sequence
            linked |= entry.follows is not None
        before.update(line)
    return None


def _entries(history: Document | None) -> Iterator[Pointer]:
    """Every readable line of the history. A kill may have cut one short; `history` notices if it counts."""
    for line in history.data.splitlines() if history else ():
        yield from _entries_of(line)


def _entries_of(line: bytes) -> list[Pointer]:
    try:
        return [Pointer.model_validate_json(line)]
    except ValidationError:
        return []
