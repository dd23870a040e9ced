"""What tombstones say: articles erased, versions removed, splits kept; and what follows from all of them together."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from fakenews_resources.storage.hashing import FileEntry


class Rewritten(BaseModel):
    """A file of a version that an erasure rewrote."""

    model_config = ConfigDict(frozen=True)

    key: str
    version: str = Field(description="Names the content before the erasure.")
    file: str
    before: FileEntry
    after: FileEntry


class Removed(BaseModel):
    """A version, or a bundle under the key `models`, that was removed as a whole."""

    model_config = ConfigDict(frozen=True)

    key: str
    version: str
    bytes: int


class _Tombstone(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    sequence: int = Field(default=0, description="Counts from 1; given when it is appended.")
    previous: str = Field(default="", description="SHA-256 of the one before; empty for the first.")
    at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    by: str
    reason: str


class Erasure(_Tombstone):
    """The erasure of one article. It holds only hashes and numbers of the article."""

    action: Literal["erase"] = "erase"
    state: Literal["planned", "done"]
    article_id: str
    article_ids: tuple[str, ...] = Field(
        description="Its id, and that of its title without the text, by which the service may have been asked."
    )
    files: tuple[Rewritten, ...]
    raw: bool = Field(description="Whether it was erased from the raw bytes too.")
    raw_rows: dict[str, tuple[int, ...]] = Field(description="Its record numbers in the raw files, by key.")
    heirs: dict[str, str] = Field(
        description="Cluster, and with it the split, that each of its near-duplicates keeps."
    )
    unsettled: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="By version of article_clusters: articles whose cluster does not follow any more from what"
        " is left, because the erased article linked them.",
    )
    lines: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="By file of lines of the service's log, or by day of a table: SHA-256 of each sealed line that it"
        " blanks, as the line was.",
    )
    bundles: tuple[str, ...] = Field(
        description="Bundles whose models were trained on it or chosen with it. Their weights keep what they "
        "learnt."
    )


class Removal(_Tombstone):
    """Versions and bundles were removed."""

    action: Literal["prune", "retire-batch"]
    batch: str | None = None
    removed: tuple[Removed, ...]


class KeptSplits(_Tombstone):
    """Articles and publishers keep their splits, although articles left the corpus or came back that decide them."""

    action: Literal["keep-splits"] = "keep-splits"
    articles: dict[str, str] = Field(description="Split of each article.")
    publishers: dict[str, str | None] = Field(
        description="Split that each publisher is held out for; null: it is not."
    )


Tombstone = Erasure | Removal | KeptSplits
TOMBSTONE: Final = TypeAdapter[Tombstone](Annotated[Tombstone, Field(discriminator="action")])


@dataclass(frozen=True)
class Ledger:
    """The valid tombstones, oldest first, and the faults of the others by file name."""

    entries: tuple[Tombstone, ...] = ()
    faults: tuple[tuple[str, str], ...] = ()

    @property
    def erasures(self) -> tuple[Erasure, ...]:
        """Every erasure, planned or done."""
        return tuple(entry for entry in self.entries if isinstance(entry, Erasure))

    @property
    def done(self) -> tuple[Erasure, ...]:
        """The erasures that were completed."""
        return tuple(entry for entry in self.erasures if entry.state == "done")

    @property
    def unfinished(self) -> tuple[Erasure, ...]:
        """Planned erasures that were not completed."""
        ends = {entry.article_id: entry.sequence for entry in self.done}
        return tuple(
            entry
            for entry in self.erasures
            if entry.state == "planned" and ends.get(entry.article_id, 0) < entry.sequence
        )

    @cached_property  # asked for each line and row
    def erased(self) -> frozenset[str]:
        """Ids of all articles whose erasure was planned or done."""
        return frozenset(one for entry in self.erasures for one in entry.article_ids)

    @property
    def heirs(self) -> dict[str, str]:
        """Cluster that an article keeps although the article that connected it was erased."""
        return {article: cluster for entry in self.erasures for article, cluster in entry.heirs.items()}

    @property
    def kept_articles(self) -> dict[str, str]:
        """The split that an article keeps."""
        return {article: split for entry in self._kept for article, split in entry.articles.items()}

    @property
    def kept_publishers(self) -> dict[str, str | None]:
        """The split that a publisher stays held out for; None: it stays in the training."""
        return {publisher: split for entry in self._kept for publisher, split in entry.publishers.items()}

    @property
    def _kept(self) -> tuple[KeptSplits, ...]:
        return tuple(entry for entry in self.entries if isinstance(entry, KeptSplits))

    def unsettled(self, clusters: str) -> frozenset[str]:
        """Articles of a version of `article_clusters` whose cluster cannot be recomputed."""
        return frozenset(one for entry in self.done for one in entry.unsettled.get(clusters, ()))

    def blanked_rows(self, key: str) -> frozenset[int]:
        """Records of a raw file that were blanked in it."""
        return frozenset(row for entry in self.done if entry.raw for row in entry.raw_rows.get(key, ()))

    def rewrote(self, key: str, version: str, file: str) -> bool:
        """Whether something was erased from a file of a version."""
        wanted = (key, version, file)
        return any((one.key, one.version, one.file) == wanted for entry in self.done for one in entry.files)

    def is_out_of_raw(self, erasure: Erasure) -> bool:
        """Whether no record of an article is left in the raw bytes."""
        return all(set(rows) <= self.blanked_rows(key) for key, rows in erasure.raw_rows.items())

    @cached_property  # asked for each line and row
    def blanked_lines(self) -> frozenset[str]:
        """SHA-256 of the lines of the service's log that were blanked, as they were."""
        return frozenset(one for entry in self.erasures for lines in entry.lines.values() for one in lines)

    def removal_of(self, key: str, version: str) -> Removal | None:
        """The tombstone of a removed version, or None."""
        for entry in reversed(self.entries):
            if isinstance(entry, Removal) and any(
                (one.key, one.version) == (key, version) for one in entry.removed
            ):
                return entry
        return None

    def undo(
        self, key: str, version: str, found: Mapping[str, FileEntry]
    ) -> tuple[dict[str, FileEntry], list[str]]:
        """Hashes of a version's files before all erasures.

        Args:
            key: of the version.
            version: names the content before the erasures.
            found: hashes of the files as they are.

        Returns:
            The hashes, and the files that hold again what was erased from them.
        """
        states = {file: _states(self.done, key, version, file, now) for file, now in found.items()}
        back = [
            file
            for file, now in found.items()
            if any(one.before == now != one.after for one in _changes(self.done, key, version, file))
        ]
        return {file: known[-1] for file, known in states.items()}, back

    def went_through(self, change: Rewritten, now: FileEntry) -> bool:
        """Whether a planned change was made to a file that only erasures have changed since."""
        return change.after in _states(self.erasures, change.key, change.version, change.file, now)


def _changes(erasures: Sequence[Erasure], key: str, version: str, file: str) -> Iterator[Rewritten]:
    """The changes that erasures made to a file of a version."""
    wanted = (key, version, file)
    return (one for entry in erasures for one in entry.files if (one.key, one.version, one.file) == wanted)


def _states(
    erasures: Sequence[Erasure], key: str, version: str, file: str, now: FileEntry
) -> list[FileEntry]:
    """Hashes of a file now and before each erasure, latest first.

    The order follows from the hashes and not from the tombstones, because a killed erasure may be completed after a
    later one.
    """
    before = {one.after: one.before for one in _changes(erasures, key, version, file)}
    states = [now]
    while states[-1] in before:
        states.append(before.pop(states[-1]))
    return states
