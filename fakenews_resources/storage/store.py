"""The artifact store: immutable versions of every value, and one pointer per value.

    <root>/<key>/<version>/...        the files of one version, named by their content
    <root>/<key>/<version>.json       its record: who made it, from what, when
    <root>/<key>/CURRENT              the version that readers get: the last one that was accepted
    <root>/<key>/REFUSED              a later version that failed a blocking check, if there is one

A version is written to a temporary folder, renamed, uploaded if the store is a bucket, and only then named by
`CURRENT` or `REFUSED`. A process that is killed at any moment therefore leaves the old version or the new one. Equal
content is stored once. Removal goes in the opposite order, record first: without a record nobody reads a version.
"""

import re
import shutil
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote

from fakenews_resources.storage.address import backend_of
from fakenews_resources.storage.artifact import Artifact, Record, remove_version, stat_version
from fakenews_resources.storage.backend import Backend, Document, Stat, StoreError
from fakenews_resources.storage.durable import remove_leftovers
from fakenews_resources.storage.hashing import compare_files, hash_files, version_of
from fakenews_resources.storage.keys import folder_of

LOG_FOLDER: Final = "service_log"
"""Folder of the prediction log in the store."""

_CURRENT, _REFUSED = "CURRENT", "REFUSED"
_VERSION = re.compile(r"[0-9a-f]{32}")
_RECORD = re.compile(r"[0-9a-f]{32}\.json")


class ValueMissing(StoreError):
    """There is no accepted version under this key."""


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
        remove_leftovers(drafts)
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
        if self.backend.is_bucket and self.backend.exists(f"{folder_of(key)}/{record.version}.json"):
            # Stored before, and perhaps an article was erased from it since: it stays as it is, as in a folder.
            return self._point_at(record)
        target = self.root / folder_of(key) / record.version
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
        shutil.copytree(artifact.path, self.root / folder_of(artifact.record.key) / artifact.version)
        return self._make_current(artifact.record)

    def _make_current(self, record: Record) -> Artifact:
        self.backend.send(f"{folder_of(record.key)}/{record.version}")
        return self._point_at(record)

    def _point_at(self, record: Record) -> Artifact:
        home = folder_of(record.key)
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
        documents = self.backend.read_all([f"{folder_of(key)}/{_CURRENT}" for key in keys])
        return {key: found.text.strip() for key, found in zip(keys, documents, strict=True) if found}

    def current_of(self, keys: Iterable[str]) -> dict[str, Artifact]:
        """The current version of each key that has one, with its record. Raises ValueMissing if a record is missing."""
        versions = self.current_versions(keys)
        documents = self.backend.read_all([f"{folder_of(key)}/{one}.json" for key, one in versions.items()])
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
        documents = self.backend.read_all([f"{folder_of(key)}/{one}/{name}" for key, one in versions.items()])
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
        return self._recorded(key, version, self.backend.read(f"{folder_of(key)}/{version}.json"))

    def _recorded(self, key: str, version: str, document: Document | None) -> Artifact:
        if document is None:
            raise ValueMissing(f"{key!r} has no version {version} in {self.address}.")
        return self._artifact(Record.model_validate_json(document.data))

    def _artifact(self, record: Record) -> Artifact:
        folder = f"{folder_of(record.key)}/{record.version}"
        return Artifact(self.root / folder, record, record.meta, fetch=partial(self.backend.fetch, folder))

    def where(self, artifact: Artifact) -> str:
        """Address of a version, for messages."""
        assert artifact.record is not None
        return f"{self.address}/{folder_of(artifact.record.key)}/{artifact.version}"

    def exists(self, key: str) -> bool:
        """Whether `key` has a current version."""
        return self.backend.exists(f"{folder_of(key)}/{_CURRENT}")

    def partitions(self, name: str) -> set[str]:
        """The partitions of a partitioned value that have a current version."""
        return self._pointing(name, _CURRENT)

    def refused_partitions(self, name: str) -> set[str]:
        """The partitions of a partitioned value whose newest version was refused."""
        return self._pointing(name, _REFUSED)

    def _pointing(self, name: str, pointer: str) -> set[str]:
        return {
            unquote(found.split("/")[-2]) for found in self.backend.glob(f"{folder_of(name)}/*/{pointer}")
        }

    def versions(self, key: str) -> list[str]:
        """Every version of a key that has a record, in order of name."""
        names = self.backend.children(folder_of(key))
        return [name.removesuffix(".json") for name in names if name.endswith(".json")]

    def all_keys(self) -> list[str]:
        """Every key with a stored version, accepted or refused, in order."""
        records = (record.split("/") for record in self.backend.glob("**/*.json"))
        homes = {tuple(home) for *home, name in records if home and _RECORD.fullmatch(name)}
        return sorted("/".join(map(unquote, parts)) for parts in homes if not parts[0].startswith("."))

    def without_record(self, key: str) -> list[str]:
        """Folders of versions without a record: commits in progress, or leftovers of a killed removal."""
        names = self.backend.children(folder_of(key))
        return [name for name in names if _VERSION.fullmatch(name) and f"{name}.json" not in names]

    def folder(self, key: str, version: str) -> Path:
        """Path of a version's files; it does not exist if they are gone."""
        return self.backend.fetch(f"{folder_of(key)}/{version}")

    def stat(self, key: str, version: str) -> Stat | None:
        """Size of a version's files, and time of its record, or of the files if there is no record."""
        return stat_version(self.backend, f"{folder_of(key)}/{version}")

    def stat_bundle(self, sha: str) -> Stat | None:
        """The same of a bundle."""
        return stat_version(self.bundles, sha)

    def changed(self, key: str, version: str, file: str) -> None:
        """Publish a file of a version that was changed in place."""
        self.backend.send_again(f"{folder_of(key)}/{version}", file)

    def remove(self, key: str, version: str) -> None:
        """Remove a version, if it exists. Raises StoreError for the current one."""
        if self._named(key, _CURRENT) == version:
            raise StoreError(f"{version} is the current version of {key!r}; only others can be removed.")
        if self._named(key, _REFUSED) == version:
            self.backend.delete(f"{folder_of(key)}/{_REFUSED}")
        remove_version(self.backend, f"{folder_of(key)}/{version}")

    def remove_bundle(self, sha: str) -> None:
        """Remove a bundle and its signature, if it exists."""
        self.bundles.delete(f"{sha}.sig")
        remove_version(self.bundles, sha)

    def remove_key(self, key: str) -> None:
        """Remove a key with all its versions, if it exists."""
        self.backend.delete(f"{folder_of(key)}/{_CURRENT}")
        for version in {*self.versions(key), *self.without_record(key)}:
            self.remove(key, version)
        self.backend.remove(folder_of(key))

    def verify(self, artifact: Artifact) -> list[str]:
        """Re-hash every file of a version. Returns the sorted names of missing, changed and extra files."""
        assert artifact.record is not None
        return list(compare_files(artifact.record.files, hash_files(artifact.path)))

    def _named(self, key: str, pointer: str) -> str | None:
        """The version that a pointer of a key names."""
        document = self.backend.read(f"{folder_of(key)}/{pointer}")
        return document.text.strip() if document else None
