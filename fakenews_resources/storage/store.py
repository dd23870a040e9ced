"""The artifact store: immutable versions of every value, and one pointer per value.

    <root>/<key>/<version>/...        the files of one version, named by their content
    <root>/<key>/<version>.json       its record: who made it, from what, when
    <root>/<key>/CURRENT              the version that readers get: the last one that was accepted
    <root>/<key>/REFUSED              a later version that failed a blocking check, if there is one

A version is written to a temporary folder, renamed, uploaded if the store is a bucket, and only then named by
`CURRENT` or `REFUSED`. A process that is killed at any moment therefore leaves the old version or the new one. Equal
content is stored once. Removal goes in the opposite order, record first: without a record nobody reads a version.
"""

import hashlib
import json
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import quote, unquote

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from fakenews_resources.storage.address import backend_of
from fakenews_resources.storage.backend import Backend, Document, Stat, StoreError
from fakenews_resources.storage.hashing import digest

_STALE_DRAFT_SECONDS = 24 * 3600
LOG_FOLDER: Final = "service_log"
"""Folder of the prediction log in the store."""

_CURRENT, _REFUSED = "CURRENT", "REFUSED"
_VERSION = re.compile(r"[0-9a-f]{32}")
_RECORD = re.compile(r"[0-9a-f]{32}\.json")
_LONGEST_PART = 200
"""Characters of a quoted part of a key: file systems take 255 bytes, and hashes and suffixes are added."""


class ValueMissing(StoreError):
    """There is no accepted version under this key."""


class FileEntry(BaseModel):
    """One file of a version."""

    model_config = ConfigDict(frozen=True)

    sha256: str
    bytes: int


class Record(BaseModel):
    """Provenance of a version. It is stored beside the version and is not part of its hash."""

    model_config = ConfigDict(frozen=True)

    key: str
    version: str
    files: dict[str, FileEntry]
    created_at: datetime
    run_id: str | None = None
    code_version: str | None = None
    config: dict[str, Any] = Field(default_factory=dict)
    upstream: dict[str, str] = Field(default_factory=dict, description="Version read of each input key.")
    meta: dict[str, Any] = Field(default_factory=dict, description="Values that the asset records.")
    refused: dict[str, str] = Field(
        default_factory=dict,
        description="Blocking checks that it failed, with the reason; empty: it was accepted.",
    )


@dataclass(frozen=True)
class Artifact:
    """A folder of files: a draft while `record` is None, one immutable version afterwards.

    `meta` holds values that the asset records beside its files (they do not change the version); fill it on a draft,
    read it on a version. `objections` holds the result of each check of a draft.
    """

    folder: Path
    record: Record | None = None
    meta: dict[str, Any] = field(default_factory=dict)
    objections: dict[str, str] = field(default_factory=dict, compare=False)
    """Why a check failed, by its name; an empty reason: it passed."""
    fetch: Callable[[], object] | None = field(default=None, compare=False, repr=False)
    """Fetches the files, unless they are known to be there."""

    @cached_property
    def path(self) -> Path:
        """The folder with its files.

        Files in a bucket are fetched on first access, so that reading a record alone is cheap.
        """
        if self.fetch is not None:
            self.fetch()
        return self.folder

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
    """Artifact store in a folder or a bucket. Safe for several processes: the last commit of a key wins."""

    def __init__(self, address: str | Path | Backend) -> None:
        """Args: address: a path, or gs://bucket/prefix.

        Raises:
            StoreError: another kind of address, or a bucket without credentials.
        """
        self.backend = address if isinstance(address, Backend) else backend_of(address)
        self.root = self.backend.root
        """Folder of files and unfinished work: the store itself, or the local copy of the bucket."""

    @property
    def address(self) -> str:
        """Address of the store, for messages."""
        return self.backend.address

    @property
    def bundles(self) -> Backend:
        """Where the model bundles and the champion's pointer are."""
        return self.backend.below("models")

    def bundle(self, sha: str) -> Path:
        """Path of a bundle's files; it does not exist if there is no such bundle."""
        return self.bundles.fetch(sha)

    def afresh(self, work: Path) -> "Store":
        """The same store without local copies of a bucket; `work` is empty."""
        return Store(self.backend.afresh(work))

    def draft(self) -> Artifact:
        """An empty folder on the file system of `root`, to fill and then commit or discard."""
        drafts = self.root / ".drafts"
        drafts.mkdir(parents=True, exist_ok=True)
        _remove_stale(drafts)
        folder = drafts / uuid.uuid4().hex
        folder.mkdir()
        return Artifact(folder)

    def workspace(self, *parts: str) -> Path:
        """A local folder for unfinished work that a later run may resume, such as checkpoints."""
        folder = self.root.joinpath(".work", *(quote(part, safe="") for part in parts))
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def commit(
        self,
        key: str,
        draft: Artifact,
        *,
        run_id: str | None = None,
        code_version: str | None = None,
        config: Mapping[str, Any] | None = None,
        upstream: Mapping[str, str] | None = None,
        refused: Mapping[str, str] | None = None,
    ) -> Artifact:
        """Make a draft the current version of a key, or store it as refused.

        The draft's files are moved. Content equal to an existing version adds a new record, but no files.

        Args:
            refused: blocking checks that the draft failed, with the reason. If there are any, readers keep the version
                that was accepted last.
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
            refused=dict(refused or {}),
        )
        if self.backend.is_bucket and self.backend.exists(f"{_home(key)}/{record.version}.json"):
            # Stored before, and perhaps an article was erased from it since: it stays as it is, as in a folder.
            return self._point_at(record)
        target = self.root / _home(key) / record.version
        target.parent.mkdir(parents=True, exist_ok=True)
        if self.backend.is_bucket and target.exists() and hash_files(target) != files:
            shutil.rmtree(target)  # a copy of what a killed process had sent so far
        if not target.exists():
            try:
                draft.path.rename(target)
            except OSError:
                if not target.exists():  # else another process stored the same content a moment ago
                    raise
        return self._make_current(record)

    def adopt(self, artifact: Artifact) -> Artifact:
        """Copy a version of another store with its record, and make it the current one of its key."""
        assert artifact.record is not None
        shutil.copytree(artifact.path, self.root / _home(artifact.record.key) / artifact.version)
        return self._make_current(artifact.record)

    def _make_current(self, record: Record) -> Artifact:
        self.backend.send(f"{_home(record.key)}/{record.version}")
        return self._point_at(record)

    def _point_at(self, record: Record) -> Artifact:
        home = _home(record.key)
        if record.refused and record.version == self._named(record.key, _CURRENT):
            return self._artifact(record)  # these bytes were accepted, and stay what readers get
        self.backend.write(f"{home}/{record.version}.json", record.model_dump_json(indent=2).encode())
        self.backend.write(f"{home}/{_REFUSED if record.refused else _CURRENT}", record.version.encode())
        if not record.refused:
            self.backend.delete(f"{home}/{_REFUSED}")
        return self._artifact(record)

    def current(self, key: str) -> Artifact:
        """The last accepted version of a key. Raises ValueMissing if there is none."""
        version = self._named(key, _CURRENT)
        if version is None:
            raise ValueMissing(self._why_missing(key))
        return self.get(key, version)

    def current_versions(self, keys: Iterable[str]) -> dict[str, str]:
        """The current version of each key that has one. Of many keys, it takes a fraction of the time of `current`."""
        keys = list(keys)
        documents = self.backend.read_all([f"{_home(key)}/{_CURRENT}" for key in keys])
        return {key: found.text.strip() for key, found in zip(keys, documents, strict=True) if found}

    def current_of(self, keys: Iterable[str]) -> dict[str, Artifact]:
        """The current version of each key that has one, with its record. Raises ValueMissing if a record is missing."""
        versions = self.current_versions(keys)
        documents = self.backend.read_all([f"{_home(key)}/{one}.json" for key, one in versions.items()])
        return {
            key: self._recorded(key, version, document)
            for (key, version), document in zip(versions.items(), documents, strict=True)
        }

    def file_of(self, versions: Mapping[str, str], name: str) -> dict[str, bytes]:
        """One file of many versions, by key, without fetching the others. Raises ValueMissing if one lacks it.

        Args:
            versions: version by key.
            name: of the file.
        """
        documents = self.backend.read_all([f"{_home(key)}/{one}/{name}" for key, one in versions.items()])
        found = {key: one.data for key, one in zip(versions, documents, strict=True) if one}
        if missing := sorted(versions.keys() - found.keys()):
            raise ValueMissing(f"{missing[0]!r} lacks {name} in {self.address}.")
        return found

    def refused(self, key: str) -> Artifact | None:
        """The newest version of a key, if it failed a blocking check."""
        version = self._named(key, _REFUSED)
        try:
            return self.get(key, version) if version else None
        except ValueMissing:  # it was pruned
            return None

    def _why_missing(self, key: str) -> str:
        refused = self.refused(key)
        if refused is None or refused.record is None:
            return f"Nothing is stored under {key!r} in {self.address}. Materialize it first."
        reasons = "; ".join(f"{check}: {why}" for check, why in refused.record.refused.items())
        return f"Every version of {key!r} in {self.address} was refused. The last one failed {reasons}"

    def get(self, key: str, version: str) -> Artifact:
        """One version of a key, current or not. Raises ValueMissing when it is not there."""
        return self._recorded(key, version, self.backend.read(f"{_home(key)}/{version}.json"))

    def _recorded(self, key: str, version: str, document: Document | None) -> Artifact:
        if document is None:
            raise ValueMissing(f"{key!r} has no version {version} in {self.address}.")
        return self._artifact(Record.model_validate_json(document.data))

    def _artifact(self, record: Record) -> Artifact:
        folder = f"{_home(record.key)}/{record.version}"
        return Artifact(self.root / folder, record, record.meta, fetch=partial(self.backend.fetch, folder))

    def where(self, artifact: Artifact) -> str:
        """Address of a version, for messages."""
        assert artifact.record is not None
        return f"{self.address}/{_home(artifact.record.key)}/{artifact.version}"

    def exists(self, key: str) -> bool:
        """Whether `key` has a current version."""
        return self.backend.exists(f"{_home(key)}/{_CURRENT}")

    def partitions(self, name: str) -> set[str]:
        """The partitions of a partitioned value that have a current version."""
        return self._pointing(name, _CURRENT)

    def refused_partitions(self, name: str) -> set[str]:
        """The partitions of a partitioned value whose newest version was refused."""
        return self._pointing(name, _REFUSED)

    def _pointing(self, name: str, pointer: str) -> set[str]:
        return {unquote(found.split("/")[-2]) for found in self.backend.glob(f"{_home(name)}/*/{pointer}")}

    def versions(self, key: str) -> list[str]:
        """Every version of a key that has a record, in order of name."""
        names = self.backend.children(_home(key))
        return [name.removesuffix(".json") for name in names if name.endswith(".json")]

    def all_keys(self) -> list[str]:
        """Every key with a stored version, accepted or refused, in order."""
        records = (record.split("/") for record in self.backend.glob("**/*.json"))
        homes = {tuple(home) for *home, name in records if home and _RECORD.fullmatch(name)}
        return sorted("/".join(map(unquote, parts)) for parts in homes if not parts[0].startswith("."))

    def without_record(self, key: str) -> list[str]:
        """Folders of versions without a record: commits in progress, or leftovers of a killed removal."""
        names = self.backend.children(_home(key))
        return [name for name in names if _VERSION.fullmatch(name) and f"{name}.json" not in names]

    def folder(self, key: str, version: str) -> Path:
        """Path of a version's files; it does not exist if they are gone."""
        return self.backend.fetch(f"{_home(key)}/{version}")

    def stat(self, key: str, version: str) -> Stat | None:
        """Size of a version's files, and time of its record, or of the files if there is no record."""
        return _stat(self.backend, f"{_home(key)}/{version}")

    def stat_bundle(self, sha: str) -> Stat | None:
        """The same of a bundle."""
        return _stat(self.bundles, sha)

    def changed(self, key: str, version: str, file: str) -> None:
        """Publish a file of a version that was changed in place."""
        self.backend.send_again(f"{_home(key)}/{version}", file)

    def remove(self, key: str, version: str) -> None:
        """Remove a version, if it exists. Raises StoreError for the current one."""
        if self._named(key, _CURRENT) == version:
            raise StoreError(f"{version} is the current version of {key!r}; only others can be removed.")
        if self._named(key, _REFUSED) == version:
            self.backend.delete(f"{_home(key)}/{_REFUSED}")
        _take_away(self.backend, f"{_home(key)}/{version}")

    def remove_bundle(self, sha: str) -> None:
        """Remove a bundle, if it exists."""
        _take_away(self.bundles, sha)

    def remove_key(self, key: str) -> None:
        """Remove a key with all its versions, if it exists."""
        self.backend.delete(f"{_home(key)}/{_CURRENT}")
        for version in {*self.versions(key), *self.without_record(key)}:
            self.remove(key, version)
        self.backend.remove(_home(key))

    def verify(self, artifact: Artifact) -> list[str]:
        """Re-hash every file of a version. Returns the sorted names of missing, changed and extra files."""
        assert artifact.record is not None
        return list(compare_files(artifact.record.files, hash_files(artifact.path)))

    def _named(self, key: str, pointer: str) -> str | None:
        """The version that a pointer of a key names."""
        document = self.backend.read(f"{_home(key)}/{pointer}")
        return document.text.strip() if document else None


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


def compare_files(
    expected: Mapping[str, FileEntry], found: Mapping[str, FileEntry]
) -> dict[str, Literal["missing", "changed", "extra"]]:
    """What is wrong with which file, in order of name; empty: nothing."""
    return {
        name: "missing" if name not in found else "changed" if name in expected else "extra"
        for name in sorted(expected.keys() | found.keys())
        if expected.get(name) != found.get(name)
    }


def version_of(files: Mapping[str, FileEntry]) -> str:
    """Name of a version: 32 hex digits of a hash over the sorted names and hashes of its files."""
    lines = "".join(f"{name}\0{entry.sha256}\n" for name, entry in sorted(files.items()))
    return hashlib.sha256(lines.encode()).hexdigest()[:32]


def is_usable_name(name: str) -> bool:
    """Whether a name, such as a partition's, can be one part of a key."""
    return bool(name) and not name.startswith(".") and "/" not in name and len(_quoted(name)) <= _LONGEST_PART


def _home(key: str) -> str:
    parts = key.split("/")
    if not all(map(is_usable_name, parts)):
        raise StoreError(
            f"{key!r} is not a usable key: a part is empty, starts with a dot, or is longer than {_LONGEST_PART} characters."
        )
    return "/".join(map(_quoted, parts))


def _quoted(name: str) -> str:
    return quote(name, safe="@+=")


def _stat(backend: Backend, folder: str) -> Stat | None:
    files, record = backend.stat(folder), backend.stat(f"{folder}.json")
    newest = record or files
    return Stat(files.bytes if files else 0, newest.changed) if newest else None


def _take_away(backend: Backend, folder: str) -> None:
    """Remove a record, then its folder."""
    backend.delete(f"{folder}.json")
    backend.remove(folder)


def _remove_stale(drafts: Path) -> None:
    """Remove leftovers of killed processes. A live draft is younger than a day."""
    for folder in drafts.iterdir():
        try:
            age = time.time() - folder.stat().st_mtime
        except FileNotFoundError:  # its owner finished meanwhile
            continue
        if age > _STALE_DRAFT_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)
