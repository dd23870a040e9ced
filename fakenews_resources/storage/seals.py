"""Chains of seals: what files held at a time, so that later changes of them are found.

    <root>/seals/2026-11-28.jsonl    one line per seal of a day; each holds the SHA-256 of the line before it
    <store>/heads/<time>.json        the last seal of each chain at a time, also published outside the store

A seal names the SHA-256 of each file that is new or has changed since the last seal. Seals are made behind the processes
that write the files: they cost no writer anything, and the next seal takes up what a killed writer left.
"""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fakenews_resources.storage.address import backend_of
from fakenews_resources.storage.backend import Backend, Conflict, StoreError

SEALS_FOLDER: Final = "seals"
HEADS_FOLDER: Final = "heads"


class Sealed(BaseModel):
    """What a file held."""

    model_config = ConfigDict(frozen=True)

    sha256: str = Field(
        description="Of the file. Of a log's file: of the SHA-256 in its last seal, if there is one, and the digests of"
        " the lines that are new since, each with a line feed."
    )
    lines: int | None = Field(default=None, description="Of a file that only grows: how many lines it had.")
    bytes: int = Field(description="How many bytes these are.")


class Seal(BaseModel):
    """One line of a chain."""

    model_config = ConfigDict(frozen=True)

    sequence: int = Field(ge=1)
    previous: str = Field(
        description="SHA-256 of the line before, without its line feed; empty for the first."
    )
    at: datetime
    files: dict[str, Sealed] = Field(description="The new and the changed files, by name below the root.")


class Head(BaseModel):
    """The last seal of a chain."""

    model_config = ConfigDict(frozen=True)

    sequence: int
    sha256: str = Field(description="Of its line, without the line feed.")


class Heads(BaseModel):
    """The heads of a store's chains, as they were published."""

    model_config = ConfigDict(frozen=True)

    at: datetime
    records: Head | None
    log: Head | None


@dataclass(frozen=True)
class Chain:
    """The seals that follow on each other, oldest first."""

    seals: tuple[Seal, ...] = ()
    hashes: tuple[str, ...] = ()
    """SHA-256 of each one's line."""
    fault: str = ""
    """Why the next line does not belong to them; empty: there is none."""

    @property
    def head(self) -> Head | None:
        """The last one; None if there is none."""
        return Head(sequence=self.seals[-1].sequence, sha256=self.hashes[-1]) if self.seals else None

    @cached_property
    def of(self) -> Mapping[str, list[tuple[int, Sealed]]]:
        """Where each file is sealed: positions in `seals`, with what the file held."""
        found: dict[str, list[tuple[int, Sealed]]] = {}
        for at, seal in enumerate(self.seals):
            for name, sealed in seal.files.items():
                found.setdefault(name, []).append((at, sealed))
        return found

    def last(self, name: str) -> Sealed | None:
        """What a file held when it was last sealed."""
        return self.of[name][-1][1] if name in self.of else None

    def lacks(self, head: Head | None) -> bool:
        """Whether a published head is none of these seals."""
        return head is not None and self.hashes[head.sequence - 1 : head.sequence] != (head.sha256,)


class Seals:
    """The chain of one folder or bucket. Safe for several processes."""

    def __init__(self, backend: Backend, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Args: backend: of the files. now: the clock, in UTC."""
        self._backend = backend.below(SEALS_FOLDER)
        self._now = now

    def read(self, since: date | None = None) -> Chain:
        """The chain, from a day on; by default the whole one. A fault ends it and is not raised."""
        seals, hashes, previous = list[Seal](), list[str](), None if since else ""
        for name in self._days():
            if since and name < f"{since}.jsonl":
                continue
            document = self._backend.read(name)
            for line in document.data.splitlines() if document else ():
                try:
                    seal = Seal.model_validate_json(line)
                except ValidationError:
                    return Chain(tuple(seals), tuple(hashes), f"a line of {name} cannot be read")
                expected = seals[-1].sequence + 1 if seals else seal.sequence if since else 1
                if seal.sequence != expected or previous not in (None, seal.previous):
                    fault = f"seal {seal.sequence} in {name} does not follow on the one before"
                    return Chain(tuple(seals), tuple(hashes), fault)
                previous = hashlib.sha256(line).hexdigest()
                seals.append(seal)
                hashes.append(previous)
        return Chain(tuple(seals), tuple(hashes))

    def append(self, files: Mapping[str, Sealed]) -> Seal | None:
        """Seal files; None if there are none.

        Raises:
            Conflict: somebody else has sealed meanwhile.
            StoreError: the last seal cannot be read.
        """
        if not files:
            return None
        days, now = self._days(), self._now()
        name = max([f"{now.date()}.jsonl", *days[-1:]])  # never before the last one, whatever the clock says
        document = self._backend.read(days[-1]) if days else None
        data = document.data if document else b""
        last = data.splitlines()[-1] if data else b""
        try:
            sequence = Seal.model_validate_json(last).sequence + 1 if last else 1
        except ValidationError as error:
            raise StoreError(
                f"{self._backend.address}/{days[-1]} is damaged. Restore the folder from a backup."
            ) from error
        seal = Seal(
            sequence=sequence,
            previous=hashlib.sha256(last).hexdigest() if last else "",
            at=now,
            files=dict(files),
        )
        there, before = (document, data) if days[-1:] == [name] else (None, b"")
        self._backend.write(name, before + f"{seal.model_dump_json()}\n".encode(), replaces=there)
        return seal

    def _days(self) -> list[str]:
        return [name for name in self._backend.children() if name.endswith(".jsonl")]


def publish_heads(store: Backend, log: Backend | None) -> Heads:
    """Write the heads of a store's chains beside it, and to FAKENEWS_HEADS if that is set. Nothing is ever replaced.

    Raises:
        StoreError: one of the places cannot be written.
    """
    chains = [Seals(one).read(since=_last_day(one)) if one else Chain() for one in (store, log)]
    heads = Heads(at=datetime.now(UTC), records=chains[0].head, log=chains[1].head)
    for place in head_places(store):
        try:
            place.write(
                f"{heads.at:%Y-%m-%dT%H%M%S.%fZ}.json",
                f"{heads.model_dump_json(indent=2)}\n".encode(),
                replaces=None,
            )
        except Conflict:
            continue  # another process published in the same microsecond
    return heads


def head_places(store: Backend) -> list[Backend]:
    """Where heads are published: beside the store, and at the address in FAKENEWS_HEADS, a folder or gs://bucket/prefix."""
    elsewhere = os.environ.get("FAKENEWS_HEADS")
    return [store.below(HEADS_FOLDER), *([backend_of(elsewhere)] if elsewhere else [])]


def published_heads(places: Sequence[Backend]) -> list[tuple[str, Heads | None]]:
    """Every published head with its address; None where it cannot be read."""
    found: list[tuple[str, Heads | None]] = []
    for place in places:
        for name in (one for one in place.children() if one.endswith(".json")):
            document = place.read(name)
            try:
                heads = Heads.model_validate_json(document.data) if document else None
            except ValidationError:
                heads = None
            found.append((f"{place.address}/{name}", heads))
    return found


def _last_day(backend: Backend) -> date | None:
    days = [one for one in backend.below(SEALS_FOLDER).children() if one.endswith(".jsonl")]
    return date.fromisoformat(days[-1].removesuffix(".jsonl")) if days else None
