"""Which bundle is the champion, and the history of that.

    <root>/champion.json            the pointer in force, replaced as a whole
    <root>/champion_history.jsonl   every pointer ever prepared, only ever appended to

A pointer is appended to the history first and put in force second. Each names the one before it, so the history
that counts is the chain that starts at the pointer in force. What a kill between the two steps leaves behind,
or in the middle of a line, is not on that chain and never counts.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fakenews_assets.selection.bundle import open_bundle
from fakenews_resources.durable import append_line, replace_text

POINTER_FILE: Final = "champion.json"
HISTORY_FILE: Final = "champion_history.jsonl"

_LOCK_SECONDS = 30


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
    promoted_at: datetime


class ChampionRegistry:
    """The champion among the bundles of one folder. Safe for several processes on one machine."""

    def __init__(self, root: Path) -> None:
        """Args: root: the folder that holds the bundles."""
        self.root = root

    def champion(self) -> Pointer | None:
        """The pointer in force; None if there is no champion yet."""
        try:
            text = (self.root / POINTER_FILE).read_bytes()
        except FileNotFoundError:
            return None
        try:
            return Pointer.model_validate_json(text)
        except ValidationError as error:
            raise RegistryError(
                f"{self.root / POINTER_FILE} is damaged. Restore it from the last good line of {HISTORY_FILE}."
            ) from error

    def history(self) -> list[Pointer]:
        """Every pointer that was in force, the oldest first and the champion last.

        Raises:
            RegistryError: the history does not hold what the champion builds on.
        """
        # In this order: a pointer is in the history before it is in force.
        pointer = self.champion()
        entries = {entry.sequence: entry for entry in self._entries()}
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

    def standing(self) -> list[str]:
        """The bundles that rolling back walks down, the champion last: those promoted and not rolled back since.

        Raises:
            RegistryError: as `history`.
        """
        standing: list[str] = []
        for pointer in self.history():
            if pointer.action == "promote":
                standing.append(pointer.bundle)
            else:
                standing.pop()
        return standing

    def promote(
        self, bundle_sha: str, *, expected: str | None, reason: str, run_id: str | None, promoted_by: str
    ) -> Pointer:
        """Make a bundle the champion, if the champion is still the one it was compared with.

        Args:
            bundle_sha: the new champion.
            expected: bundle of the champion that the decision was taken against; None: there was none.
            reason: why, for the history.
            run_id: the run that decided, if any.
            promoted_by: who or what decided.

        Raises:
            ChampionMoved: the champion is not `expected`.
            BundleMissing, BundleDamaged: see `open_bundle`.
            ValueError: the bundle is the champion already.
        """
        open_bundle(self.root / bundle_sha)
        with self._locked():
            champion = self._require(expected)
            if champion is not None and champion.bundle == bundle_sha:
                raise ValueError(f"{bundle_sha} is the champion already; there is nothing to promote.")
            return self._move(champion, bundle_sha, "promote", reason, run_id, promoted_by)

    def rollback(
        self, *, reason: str, run_id: str | None, promoted_by: str, expected: str | None = None
    ) -> Pointer:
        """Put the bundle in force that the champion replaced. Again: the one before that, never back again.

        Args:
            reason: why, for the history.
            run_id: the run that decided, if any.
            promoted_by: who or what decided.
            expected: bundle of the champion to be rid of; None: whichever is in force.

        Raises:
            ChampionMoved: `expected` is given and not the champion.
            RegistryError: nothing to go back to.
            BundleMissing, BundleDamaged: the bundle to go back to; see `open_bundle`.
        """
        with self._locked():
            champion = self.champion() if expected is None else self._require(expected)
            standing = self.standing()
            if champion is None or len(standing) < 2:
                raise RegistryError("No earlier champion to go back to; promote another bundle instead.")
            open_bundle(self.root / standing[-2])
            return self._move(champion, standing[-2], "rollback", reason, run_id, promoted_by)

    def _require(self, expected: str | None) -> Pointer | None:
        champion = self.champion()
        found = champion.bundle if champion else None
        if found != expected:
            raise ChampionMoved(
                f"The champion is {found or 'not set'}, not {expected or 'unset'} as the decision assumed."
                " Compare with it and decide again."
            )
        return champion

    def _move(
        self,
        champion: Pointer | None,
        bundle: str,
        action: Literal["promote", "rollback"],
        reason: str,
        run_id: str | None,
        promoted_by: str,
    ) -> Pointer:
        pointer = Pointer(
            sequence=1 + max((entry.sequence for entry in self._entries()), default=0),
            bundle=bundle,
            previous=champion.sequence if champion else None,
            action=action,
            reason=reason,
            run_id=run_id,
            promoted_by=promoted_by,
            promoted_at=datetime.now(UTC),
        )
        append_line(self.root / HISTORY_FILE, pointer.model_dump_json())
        replace_text(self.root / POINTER_FILE, pointer.model_dump_json(indent=2) + "\n")
        return pointer

    def _entries(self) -> Iterator[Pointer]:
        """Every readable line of the history. A kill cut an unreadable one short; `history` notices if it counts."""
        path = self.root / HISTORY_FILE
        for line in path.read_bytes().splitlines() if path.exists() else ():
            try:
                yield Pointer.model_validate_json(line)
            except ValidationError:
                continue

    def _broken(self, sequence: int) -> RegistryError:
        return RegistryError(
            f"{self.root / HISTORY_FILE} lacks entry {sequence}, or holds another one than the champion builds on."
            " Restore the file from a backup."
        )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.root.mkdir(parents=True, exist_ok=True)
        try:
            # Freed by the system when its owner dies.
            with FileLock(self.root / ".champion.lock", timeout=_LOCK_SECONDS):
                yield
        except Timeout as error:
            raise RegistryError(
                f"Another process has been moving the champion for {_LOCK_SECONDS} s; try again."
            ) from error
