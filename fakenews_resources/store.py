"""Where every value of the graph lives, as immutable versions behind one pointer per value.

    <root>/<key>/<version>/...        the files of one version, named by their content
    <root>/<key>/<version>.json       its record: who made it, from what, when
    <root>/<key>/CURRENT              the version that readers get

A version is written aside, renamed into place, and only then named by `CURRENT`. A process killed at
any moment therefore leaves the old value or the new one, and equal content is stored once. A version is removed in
the other order, its record first: without a record nobody reads it, and until its folder is renamed away it is whole.
"""

import hashlib
import json
import re
import shutil
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from fakenews_resources.durable import replace_text
from fakenews_resources.hashing import digest

_STALE_DRAFT_SECONDS = 24 * 3600
_VERSION = re.compile(r"[0-9a-f]{32}")


class StoreError(RuntimeError):
    """A value cannot be read from or written to the store; the message says what to do next."""


class ValueMissing(StoreError):
    """Nothing has been stored under this key yet."""


class FileEntry(BaseModel):
    """One file of a version."""

    model_config = ConfigDict(frozen=True)

    sha256: str
    bytes: int


class Record(BaseModel):
    """What is known of how a version came to be. Kept beside the version and never part of its hash."""

    model_config = ConfigDict(frozen=True)

    key: str
    version: str
    files: dict[str, FileEntry]
    created_at: datetime
    run_id: str | None = None
    code_version: str | None = None
    config: dict[str, Any] = Field(default_factory=dict)
    upstream: dict[str, str] = Field(default_factory=dict, description="Version read of each input key.")
    meta: dict[str, Any] = Field(default_factory=dict, description="What the asset itself wants remembered.")


@dataclass(frozen=True)
class Artefact:
    """A folder of files: a draft while `record` is None, one immutable version afterwards.

    `meta` is what the asset wants remembered beside its files (it does not change the version); fill it
    on a draft, read it on a version.
    """

    path: Path
    record: Record | None = None
    meta: dict[str, Any] = field(default_factory=dict)

    @property
    def version(self) -> str:
        """The content hash that names this version. Raises StoreError for a draft."""
        if self.record is None:
            raise StoreError(f"{self.path} is a draft: it has no version until it is committed.")
        return self.record.version

    def scan(self, table: str) -> pl.LazyFrame:
        """A table stored as `<table>.parquet` or as parts `<table>-0000.parquet`, read lazily."""
        parts = sorted(self.path.glob(f"{table}-[0-9]*.parquet"))
        return pl.scan_parquet(parts or self.path / f"{table}.parquet")

    def read_json(self, name: str) -> Any:
        """The content of a JSON file in this folder."""
        return json.loads((self.path / name).read_text(encoding="utf-8"))


class Store:
    """A folder that holds the graph's values. Safe for several processes: the last commit of a key wins."""

    def __init__(self, root: str | Path) -> None:
        if "://" in str(root):
            raise StoreError(
                f"Cannot store in {root}: this version keeps its values in a local folder. "
                "Set FAKENEWS_STORAGE to a path."
            )
        self.root = Path(root).expanduser().resolve()

    @property
    def models(self) -> Path:
        """The folder of model bundles and of the champion's pointer."""
        return self.root / "models"

    def draft(self) -> Artefact:
        """An empty folder on the store's own file system, to fill and then commit or discard."""
        drafts = self.root / ".drafts"
        drafts.mkdir(parents=True, exist_ok=True)
        _remove_stale(drafts)
        folder = drafts / uuid.uuid4().hex
        folder.mkdir()
        return Artefact(folder)

    def workspace(self, *parts: str) -> Path:
        """A folder for unfinished work that a later run may take up again, such as checkpoints."""
        folder = self.root.joinpath(".work", *(quote(part, safe="") for part in parts))
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def commit(
        self,
        key: str,
        draft: Artefact,
        *,
        run_id: str | None = None,
        code_version: str | None = None,
        config: Mapping[str, Any] | None = None,
        upstream: Mapping[str, str] | None = None,
    ) -> Artefact:
        """Make a draft the current version of a key.

        The draft's files move; nothing of it remains in its folder. Content equal to an existing
        version adds no files, only a new record.
        """
        files = hash_files(draft.path)
        if not files:
            raise StoreError(f"Nothing to commit under {key!r}: the draft holds no files.")
        record = Record(
            key=key,
            version=version_of(files),
            files=files,
            created_at=datetime.now(UTC),
            run_id=run_id,
            code_version=code_version,
            config=dict(config or {}),
            upstream=dict(upstream or {}),
            meta=draft.meta,
        )
        home = self._home(key)
        home.mkdir(parents=True, exist_ok=True)
        target = home / record.version
        if not target.exists():
            try:
                draft.path.rename(target)
            except OSError:
                if not target.exists():  # else another process stored the same content a moment ago
                    raise
        replace_text(home / f"{record.version}.json", record.model_dump_json(indent=2))
        replace_text(home / "CURRENT", record.version)
        return Artefact(target, record, record.meta)

    def adopt(self, artefact: Artefact) -> Artefact:
        """Copy a version of another store with its record, and make it the current one of its key."""
        assert artefact.record is not None
        target = self._home(artefact.record.key) / artefact.version
        shutil.copytree(artefact.path, target)
        replace_text(target.with_name(f"{artefact.version}.json"), artefact.record.model_dump_json(indent=2))
        replace_text(target.with_name("CURRENT"), artefact.version)
        return Artefact(target, artefact.record, artefact.meta)

    def current(self, key: str) -> Artefact:
        """The version that `key` points at. Raises ValueMissing when there is none."""
        pointer = self._home(key) / "CURRENT"
        try:
            version = pointer.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            raise ValueMissing(
                f"Nothing is stored under {key!r} in {self.root}. Materialize it first."
            ) from None
        return self.get(key, version)

    def get(self, key: str, version: str) -> Artefact:
        """One version of a key, current or not. Raises ValueMissing when it is not there."""
        home = self._home(key)
        try:
            record = Record.model_validate_json((home / f"{version}.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ValueMissing(f"{key!r} has no version {version} in {self.root}.") from None
        return Artefact(home / version, record, record.meta)

    def exists(self, key: str) -> bool:
        """Whether `key` has a current version."""
        return (self._home(key) / "CURRENT").is_file()

    def partitions(self, name: str) -> set[str]:
        """The partitions of a partitioned value that have a current version."""
        return {unquote(pointer.parent.name) for pointer in self._home(name).glob("*/CURRENT")}

    def versions(self, key: str) -> list[str]:
        """Every version of a key that has a record, in order of name."""
        return sorted(record.stem for record in self._home(key).glob("*.json"))

    def all_keys(self) -> list[str]:
        """Every key with a current version, in order."""
        folders = (pointer.parent.relative_to(self.root) for pointer in self.root.rglob("CURRENT"))
        return sorted(
            "/".join(map(unquote, folder.parts)) for folder in folders if not folder.parts[0].startswith(".")
        )

    def without_record(self, key: str) -> list[str]:
        """Folders of versions that are being committed, or that a killed removal left behind."""
        folders = (path for path in self._home(key).iterdir() if _VERSION.fullmatch(path.name))
        return sorted(path.name for path in folders if not path.with_name(f"{path.name}.json").exists())

    def folder(self, key: str, version: str) -> Path:
        """Where the files of a version are, or would be."""
        return self._home(key) / version

    def remove(self, key: str, version: str) -> None:
        """Remove a version; one that is not there changes nothing. Raises StoreError for the current one."""
        home = self._home(key)
        pointer = home / "CURRENT"
        if pointer.is_file() and pointer.read_text(encoding="utf-8").strip() == version:
            raise StoreError(f"{version} is the current version of {key!r}; only others can be removed.")
        self.take_away(home / f"{version}.json", home / version)

    def remove_key(self, key: str) -> None:
        """Remove a value with all its versions; one that is not there changes nothing."""
        home = self._home(key)
        if not home.is_dir():
            return
        (home / "CURRENT").unlink(missing_ok=True)
        for version in {*self.versions(key), *self.without_record(key)}:
            self.remove(key, version)
        home.rmdir()

    def take_away(self, record: Path, folder: Path) -> None:
        """Remove a record, then the folder it tells of: that at once, by renaming it, so that no half of it is read.

        What a kill leaves of the renamed folder goes with the stale drafts.
        """
        record.unlink(missing_ok=True)
        aside = self.root / ".drafts" / uuid.uuid4().hex
        aside.parent.mkdir(parents=True, exist_ok=True)
        try:
            folder.rename(aside)
        except FileNotFoundError:
            return
        shutil.rmtree(aside, ignore_errors=True)

    def verify(self, artefact: Artefact) -> list[str]:
        """Re-hash every file of a version; the names that are missing, changed or extra, in order."""
        assert artefact.record is not None
        return changed_files(artefact.record.files, hash_files(artefact.path))

    def _home(self, key: str) -> Path:
        parts = [quote(part, safe="@+=") for part in key.split("/")]
        if not all(parts) or any(part.startswith(".") for part in parts):
            raise StoreError(f"{key!r} is not a usable key: parts must not be empty or start with a dot.")
        return self.root.joinpath(*parts)


def hash_file(path: Path) -> FileEntry:
    """SHA-256 and size of a file."""
    return FileEntry(sha256=digest(path), bytes=path.stat().st_size)


def hash_files(folder: Path) -> dict[str, FileEntry]:
    """SHA-256 and size of every file of a folder, by its path within, in order of path."""
    return {
        path.relative_to(folder).as_posix(): hash_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def changed_files(expected: Mapping[str, FileEntry], found: Mapping[str, FileEntry]) -> list[str]:
    """The names that are missing, changed or extra, in order."""
    return sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))


def version_of(files: Mapping[str, FileEntry]) -> str:
    """The name of a version: 32 hex digits over the names and hashes of its files, in order of name."""
    lines = "".join(f"{name}\0{entry.sha256}\n" for name, entry in sorted(files.items()))
    return hashlib.sha256(lines.encode()).hexdigest()[:32]


def _remove_stale(drafts: Path) -> None:
    """Sweep what killed processes left behind; a living draft is younger than a day."""
    for folder in drafts.iterdir():
        try:
            age = time.time() - folder.stat().st_mtime
        except FileNotFoundError:  # its owner finished meanwhile
            continue
        if age > _STALE_DRAFT_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)
