"""Storage backends: a folder, or a bucket with a local copy of what was read.

There are two kinds of files. *Documents* are small and replaced as a whole, such as a pointer or a record. *Folders*
hold the files of one version and are written once; `send` publishes a finished one, `fetch` returns where it can be
read.
"""

import shutil
import uuid
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Final, Self

from filelock import FileLock, Timeout

from fakenews_resources.storage.durable import replace_bytes, replace_file

LOCK_SECONDS: Final = 30


class StoreError(RuntimeError):
    """A value cannot be read from or written to the store; the message says what to do next."""


class Conflict(StoreError):
    """A compare-and-swap failed: somebody else changed the document first."""


class Busy(StoreError):
    """Somebody else holds the lock."""


class Whatever(Enum):
    """Passed to `write` to replace any document, or none."""

    IS_THERE = 0


@dataclass(frozen=True)
class Document:
    """A small file as it was read."""

    data: bytes
    generation: int | None = None
    """Generation of the object in a bucket."""

    @property
    def text(self) -> str:
        """Its content."""
        return self.data.decode()


Replaced = Document | None | Whatever
"""The expected current document of a compare-and-swap. None: there must be none."""


@dataclass(frozen=True)
class Stat:
    """Size of a file, or of all files of a folder, and when it was last written."""

    bytes: int
    changed: datetime


class Backend(ABC):
    """Files below one root, with names relative to it, separated by slashes."""

    address: str
    """For people."""
    root: Path
    """Where files are read: the folder itself, or the local copy of the bucket."""
    spool: Path
    """A local folder for unsent files; separate from the copy, which may be removed at any time."""
    is_bucket: bool

    @abstractmethod
    def below(self, name: str) -> Self:
        """A folder of this backend as a backend."""

    @abstractmethod
    def read(self, name: str) -> Document | None:
        """A document; None if there is none."""

    def read_all(self, names: Sequence[str]) -> list[Document | None]:
        """`read` of many documents, in order."""
        return [self.read(name) for name in names]

    @abstractmethod
    def write(self, name: str, data: bytes, *, replaces: Replaced = Whatever.IS_THERE) -> None:
        """Write a document as a whole: readers see the old one or the new one.

        Raises:
            Conflict: what is there is not what it `replaces`. Nothing was written.
        """

    @abstractmethod
    def delete(self, name: str) -> None:
        """Remove a document; one that is not there changes nothing."""

    @abstractmethod
    def exists(self, name: str) -> bool:
        """Whether there is a document of this name."""

    @abstractmethod
    def children(self, folder: str = "") -> list[str]:
        """Sorted names of the files and folders directly in a folder; empty if there is no such folder."""

    @abstractmethod
    def glob(self, pattern: str) -> list[str]:
        """Sorted names of files. `*` does not match a slash, `**` does."""

    @abstractmethod
    def stat(self, name: str) -> Stat | None:
        """Of a file or a folder; None if there is none."""

    @abstractmethod
    def send(self, folder: str, last: str | None = None) -> None:
        """Publish a finished folder below `root`.

        Args:
            folder: its name. Files that are there already have the same content.
            last: the file whose presence says that the folder is whole.
        """

    @abstractmethod
    def put(self, file: Path, name: str) -> None:
        """Copy a finished file to the backend, unless it is there with the same content."""

    @abstractmethod
    def send_again(self, folder: str, file: str) -> None:
        """Publish a file that was changed or added in a fetched folder.

        Raises:
            Conflict: somebody else changed it too since it was fetched.
        """

    @abstractmethod
    def fetch(self, folder: str = "") -> Path:
        """Path at which the files of a folder can be read; it does not exist if the folder does not."""

    @abstractmethod
    def remove(self, folder: str) -> None:
        """Remove a folder; one that is not there changes nothing."""

    @abstractmethod
    def locked(self, name: str) -> AbstractContextManager[None]:
        """Hold a lock. Raises Busy when somebody else has held it for too long."""

    @abstractmethod
    def forget(self, but: Collection[str] = ()) -> None:
        """Remove the local copy of a bucket, and unfinished work beside it; all `but` these folders."""

    @abstractmethod
    def afresh(self, work: Path) -> Self:
        """The same backend, none of whose files is taken from an earlier local copy; `work` is empty."""


class FolderBackend(Backend):
    """A folder."""

    is_bucket = False

    def __init__(self, root: Path, drafts: Path | None = None) -> None:
        """Args: root: the folder. drafts: a folder of the same file system for what is being removed."""
        self.root = root
        self.spool = root / ".unsent"
        self.address = str(root)
        self._drafts = drafts or root / ".drafts"

    def below(self, name: str) -> Self:
        return type(self)(self.root / name, self._drafts)

    def read(self, name: str) -> Document | None:
        try:
            return Document((self.root / name).read_bytes())
        except FileNotFoundError:
            return None

    def write(self, name: str, data: bytes, *, replaces: Replaced = Whatever.IS_THERE) -> None:
        target = self.root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(replaces, Whatever):
            replace_bytes(target, data)
            return
        with self.locked(f"{name}.lock"):
            if self.read(name) != replaces:
                raise Conflict(f"{target} was changed by somebody else meanwhile.")
            replace_bytes(target, data)

    def delete(self, name: str) -> None:
        (self.root / name).unlink(missing_ok=True)

    def exists(self, name: str) -> bool:
        return (self.root / name).is_file()

    def children(self, folder: str = "") -> list[str]:
        home = self.root / folder
        return sorted(path.name for path in home.iterdir()) if home.is_dir() else []

    def glob(self, pattern: str) -> list[str]:
        found = (path for path in self.root.glob(pattern) if path.is_file())
        return sorted(path.relative_to(self.root).as_posix() for path in found)

    def stat(self, name: str) -> Stat | None:
        path = self.root / name
        if not path.exists():
            return None
        files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
        changed = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        return Stat(sum(file.stat().st_size for file in files), changed)

    def send(self, folder: str, last: str | None = None) -> None:
        pass

    def put(self, file: Path, name: str) -> None:
        target = self.root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
        shutil.copyfile(file, aside)
        replace_file(aside, target)

    def send_again(self, folder: str, file: str) -> None:
        pass

    def fetch(self, folder: str = "") -> Path:
        return self.root / folder

    def remove(self, folder: str) -> None:
        # At once, by renaming it, so that no half of it is read. What a kill leaves goes with the stale drafts.
        self._drafts.mkdir(parents=True, exist_ok=True)
        aside = self._drafts / uuid.uuid4().hex
        try:
            (self.root / folder).rename(aside)
        except FileNotFoundError:
            return
        shutil.rmtree(aside, ignore_errors=True)

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        path = self.root / name
        path = path.with_name(f".{path.name.removeprefix('.')}")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            # Freed by the system when its owner dies.
            with FileLock(path, timeout=LOCK_SECONDS):
                yield
        except Timeout as error:
            raise Busy(f"Another process has held {path} for {LOCK_SECONDS} s; try again.") from error

    def forget(self, but: Collection[str] = ()) -> None:
        pass

    def afresh(self, work: Path) -> Self:  # noqa: ARG002 - there is no copy
        return self


def as_backend(where: Backend | Path) -> Backend:
    """A folder as a backend; a backend as it is."""
    return FolderBackend(where) if isinstance(where, Path) else where
