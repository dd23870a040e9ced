"""Tombstones: what was removed from the store on purpose, when, by whom and why, and which splits articles keep after it.

    <store>/tombstones/000001.json    one of them; it holds the SHA-256 of the one before
    <store>/tombstones/HEAD           number and SHA-256 of the last

A tombstone is valid if the hash chain leads to it from HEAD. An edited or missing one breaks the chain: it and all
earlier ones become invalid, and the removals that they explained become findings again. A tombstone is written first,
and HEAD second. If a kill leaves a tombstone between the two, the next command adopts it, provided that it continues
the chain. Anything else after the last one is damage.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from pydantic import ValidationError

from fakenews_resources.storage.backend import Busy, Document, StoreError
from fakenews_resources.storage.ledger import TOMBSTONE, Erasure, KeptSplits, Ledger, Removal, Tombstone
from fakenews_resources.storage.store import Store

Entry = TypeVar("Entry", Erasure, Removal, KeptSplits)


HEAD_FILE: Final = "HEAD"
_FOLDER: Final = "tombstones"
_NOT_SEALED: Final = "not in the chain: its command was killed, or someone added it by hand"


class TombstonesDamaged(StoreError):
    """A tombstone is missing or was edited; the message says what to do next."""


class Tombstones:
    """The tombstones of one store."""

    def __init__(self, store: Store) -> None:
        self.backend = store.backend.below(_FOLDER)

    def read(self) -> Ledger:
        """Follow the chain from HEAD. Faults are in the ledger and are not raised."""
        present = [name for name in self.backend.children() if name.endswith(".json")]
        head = self.backend.read(HEAD_FILE)
        try:
            last, sha = _parse_head(head)
        except ValueError:
            return Ledger(faults=((HEAD_FILE, "cannot be read"),))
        unsealed = [name for name in present if name > _name(last)]
        if unsealed == [_name(last + 1)] and self._continuation(last, sha):
            faults = [(unsealed[0], _NOT_SEALED)]
        elif unsealed and head is None:
            return Ledger(faults=((HEAD_FILE, "missing, while there are tombstones"),))
        else:
            faults = [(name, "does not continue the chain that HEAD names") for name in unsealed]
        entries: list[Tombstone] = []
        for sequence in range(last, 0, -1):
            name = _name(sequence)
            document = self.backend.read(name)
            if document is None or hashlib.sha256(document.data).hexdigest() != sha:
                faults.append((name, "missing" if document is None else "changed since it was recorded"))
                break
            try:
                entry = TOMBSTONE.validate_json(document.data)
            except ValidationError:
                faults.append((name, "written by another version of fakenews"))
                break
            entries.append(entry)
            sha = entry.previous
        return Ledger(tuple(reversed(entries)), tuple(faults))

    def sound(self) -> Ledger:
        """As `read`, but raises TombstonesDamaged at any fault that a kill cannot explain."""
        ledger = self.read()
        faults = [(name, fault) for name, fault in ledger.faults if fault != _NOT_SEALED]
        if faults:
            named = "; ".join(f"{name}: {fault}" for name, fault in faults)
            raise TombstonesDamaged(
                f"The tombstones in {self.backend.address} are damaged: {named}. Restore the folder from a "
                "backup; without it, erased articles could come back."
            )
        return ledger

    def taken_up(self) -> Ledger:
        """As `sound`, after adopting a tombstone that a kill left after the last one. Hold `locked`."""
        ledger = self.sound()
        head = self.backend.read(HEAD_FILE)
        last, previous = _parse_head(head)
        if (left := self._continuation(last, previous)) is None:
            return ledger
        self._seal(last + 1, left.data, head)
        return self.sound()

    def append(self, entry: Entry) -> Entry:
        """Append a tombstone to the chain. Hold `locked` since the read that it is based on."""
        head = self.backend.read(HEAD_FILE)
        last, previous = _parse_head(head)
        sealed = entry.model_copy(update={"sequence": last + 1, "previous": previous})
        data = f"{sealed.model_dump_json(indent=2)}\n".encode()
        self.backend.write(_name(last + 1), data)
        self._seal(last + 1, data, head)
        return sealed

    def _seal(self, sequence: int, data: bytes, head: Document | None) -> None:
        seal = f"{sequence} {hashlib.sha256(data).hexdigest()}\n"
        self.backend.write(HEAD_FILE, seal.encode(), replaces=head)

    def _continuation(self, last: int, sha: str) -> Document | None:
        """A tombstone that was written after the last one and continues the chain, if there is one."""
        document = self.backend.read(_name(last + 1))
        if document is None:
            return None
        try:
            entry = TOMBSTONE.validate_json(document.data)
        except ValidationError:
            return None
        return document if (entry.sequence, entry.previous) == (last + 1, sha) else None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock removals. Raises StoreError if somebody else holds the lock."""
        try:
            with self.backend.locked("lock"):
                yield
        except Busy as error:
            raise StoreError(f"Another process is pruning or erasing. {error}") from error


def _parse_head(head: Document | None) -> tuple[int, str]:
    """Number and SHA-256 of the last tombstone: 0 and nothing where there is none yet.

    Raises:
        ValueError: it cannot be read.
    """
    if head is None:
        return 0, ""
    number, sha = head.text.split()
    return int(number), sha


def _name(sequence: int) -> str:
    return f"{sequence:06d}.json"
