"""A storage backend in a bucket of Google Cloud Storage.

Every write and removal names the generation that was seen before, so it takes effect once however often it is
retried, and never overwrites somebody else's change. Google's client retries temporary failures (408, 429, 5xx,
broken connections) with exponential backoff, uploads large files in resumable pieces, and compares CRC32C.

Reads go through a copy below `root`, which is refreshed when the generations differ.
"""

import json
import os
import shutil
import socket
import uuid
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Final, Self

from fakenews_resources.storage.backend import (
    LOCK_SECONDS,
    Backend,
    Busy,
    Conflict,
    Document,
    Replaced,
    Stat,
    StoreError,
    Whatever,
)
from fakenews_resources.storage.durable import replace_file
from fakenews_resources.storage.fetched import FETCHED, Fetched
from fakenews_resources.storage.google_client import (
    TIMEOUT_S,
    client,
    crc32c_of,
    generation_of,
    retry,
    telling,
)

if TYPE_CHECKING:
    from google.cloud import storage

_PIECE: Final = 8 << 20
"""Bytes per piece of a resumable upload: a multiple of 256 KiB."""
_AT_ONCE: Final = 8
_WRITE: Final = "fakenews-write"
"""Metadata of a document: which attempt wrote it."""
_there: Final = set[str]()
"""Buckets that are known to exist."""
_ATTEMPTS: Final = 20
"""Attempts at a document that others write at the same time."""


class BucketBackend(Backend):
    """A prefix of a bucket, with a local copy of what was read."""

    is_bucket = True

    def __init__(self, bucket: "storage.Bucket", prefix: str, root: Path, spool: Path) -> None:
        """Args: bucket: where. prefix: without a slash at its end; may be empty. root, spool: see `Backend`."""
        self.root = root
        self.spool = spool
        self.address = f"gs://{bucket.name}/{prefix}".rstrip("/")
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._fetched = Fetched(root / FETCHED)

    def below(self, name: str) -> Self:
        return type(self)(self._bucket, f"{self._prefix}{name}", self.root / name, self.spool / name)

    def read(self, name: str) -> Document | None:
        from google.api_core.exceptions import NotFound

        with self._telling(name):
            blob = self._blob(name)
            try:
                data = blob.download_as_bytes(retry=retry(), timeout=TIMEOUT_S)
            except NotFound:
                self._require_bucket()
                return None
            return Document(data, blob.generation)

    def read_all(self, names: Sequence[str]) -> list[Document | None]:
        with ThreadPoolExecutor(_AT_ONCE) as pool:  # each of them is a round trip
            return list(pool.map(self.read, names))

    def write(self, name: str, data: bytes, *, replaces: Replaced = Whatever.IS_THERE) -> None:
        if not isinstance(replaces, Whatever):
            self._write(name, data, replaces)
            return
        for _ in range(_ATTEMPTS):
            try:
                self._write(name, data, self.read(name))
            except Conflict:
                continue
            return
        raise StoreError(f"{self.address}/{name} was changed by others {_ATTEMPTS} times; try again.")

    def delete(self, name: str) -> None:
        with self._telling(name):
            blob = self._get(name)
            if blob is not None:
                self._delete(name, generation_of(blob))

    def exists(self, name: str) -> bool:
        with self._telling(name):
            return self._blob(name).exists(retry=retry(), timeout=TIMEOUT_S)

    def children(self, folder: str = "") -> list[str]:
        prefix = self._prefix + (f"{folder}/" if folder else "")
        with self._telling(folder):
            listing = self._listing(prefix=prefix, delimiter="/")
            files = [blob.name for blob in listing]
            folders = [name.removesuffix("/") for name in listing.prefixes]
        return sorted(name.removeprefix(prefix) for name in (*files, *folders))

    def glob(self, pattern: str) -> list[str]:
        with self._telling(pattern):
            names = [
                blob.name for blob in self._listing(prefix=self._prefix, match_glob=self._prefix + pattern)
            ]
        return sorted(name.removeprefix(self._prefix) for name in names)

    def stat(self, name: str) -> Stat | None:
        with self._telling(name):
            blob = self._get(name)
            found = [blob] if blob else list(self._objects(name).values())
        if not found:
            return None
        return Stat(sum(one.size or 0 for one in found), max(one.updated for one in found if one.updated))

    def send(self, folder: str, last: str | None = None) -> None:
        """Raises StoreError if an object has another content."""
        home = self.root / folder
        names = [path.relative_to(home).as_posix() for path in sorted(home.rglob("*")) if path.is_file()]
        before = self._objects(folder)
        missing = [name for name in names if name not in before]
        with self._telling(folder), ThreadPoolExecutor(_AT_ONCE) as pool:

            def upload(name: str) -> None:
                self._upload(home / name, f"{folder}/{name}", 0)

            list(pool.map(upload, (name for name in missing if name != last)))
            if last in missing:
                upload(last)
        there = self._objects(folder)
        try:
            for name in names:
                self._compare(home / name, f"{folder}/{name}", there.get(name))
        except StoreError:
            # Else it would be read in place of what is there.
            shutil.rmtree(home)
            self._fetched.forget(folder)
            raise
        self._fetched.note(folder, {name: generation_of(there[name]) for name in names})

    def put(self, file: Path, name: str) -> None:
        """Raises StoreError if it exists with another content."""
        with self._telling(name):
            self._upload(file, name, 0)
            self._compare(file, name, self._get(name))

    def send_again(self, folder: str, file: str) -> None:
        path, name = self.root / folder / file, f"{folder}/{file}".removeprefix("/")
        known = self._fetched.known(folder)
        with self._telling(name):
            self._upload(path, name, known.get(file, 0))
            found = self._get(name)
        if found is None or found.crc32c != crc32c_of(path):
            raise Conflict(f"{self.address}/{name} was changed by somebody else meanwhile. Try again.")
        self._fetched.note(folder, known | {file: generation_of(found)})

    def fetch(self, folder: str = "") -> Path:
        home = self.root / folder
        there = self._objects(folder)
        if not there:
            shutil.rmtree(home, ignore_errors=True)
            return home
        with self._fetched.locked(folder):
            known = self._fetched.known(folder)
            wanted = [
                name
                for name, blob in there.items()
                if known.get(name) != generation_of(blob) or not (home / name).is_file()
            ]
            with self._telling(folder), ThreadPoolExecutor(_AT_ONCE) as pool:
                list(pool.map(lambda name: self._download(there[name], home / name), wanted))
            for name in known.keys() - there.keys():
                (home / name).unlink(missing_ok=True)
            self._fetched.note(folder, {name: generation_of(blob) for name, blob in there.items()})
        return home

    def remove(self, folder: str) -> None:
        for name, blob in self._objects(folder).items():
            with self._telling(name):
                self._delete(f"{folder}/{name}", generation_of(blob))
        shutil.rmtree(self.root / folder, ignore_errors=True)

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """The lock is an object that names its owner. A killed process leaves it; the error says how to remove it."""
        holder = json.dumps(
            {
                "host": socket.gethostname(),
                "process": os.getpid(),
                "since": str(datetime.now(UTC)),
                "id": uuid.uuid4().hex,
            }
        ).encode()
        deadline = monotonic() + LOCK_SECONDS
        while True:
            try:
                generation = self._write(name, holder, None)
                break
            except Conflict:
                if monotonic() < deadline:
                    sleep(1)
                    continue
                other = self.read(name)
                if other is None:
                    continue
                raise Busy(
                    f"Somebody has held a lock for {LOCK_SECONDS} s: {other.text}. Try again; or, if that process is"
                    f" gone, remove it with `gcloud storage rm {self.address}/{name}`."
                ) from None
        try:
            yield
        finally:
            with self._telling(name):
                self._delete(name, generation)

    def forget(self, but: Collection[str] = ()) -> None:
        for path in self.root.iterdir() if self.root.is_dir() else ():
            if path.name not in but:
                shutil.rmtree(path, ignore_errors=True)

    def afresh(self, work: Path) -> Self:
        return type(self)(self._bucket, self._prefix.rstrip("/"), work, self.spool)

    def _require_bucket(self) -> None:
        """Raise if the bucket is missing: a missing object is "not found" too, but its bucket can be listed."""
        name = str(self._bucket.name)
        if name not in _there:
            list(self._listing(max_results=1))
            _there.add(name)

    def _blob(self, name: str) -> "storage.Blob":
        return self._bucket.blob(self._prefix + name)

    def _write(self, name: str, data: bytes, replaces: Document | None) -> int:
        """Returns the generation written. Raises Conflict."""
        from google.api_core.exceptions import PreconditionFailed

        with self._telling(name):
            blob = self._blob(name)
            blob.metadata = {_WRITE: uuid.uuid4().hex}
            try:
                blob.upload_from_string(
                    data,
                    content_type="application/octet-stream",
                    if_generation_match=0 if replaces is None else replaces.generation,
                    checksum="crc32c",
                    retry=retry(),
                    timeout=TIMEOUT_S,
                )
            except PreconditionFailed:
                # Or this very write went through, and only its answer was lost.
                found = self._get(name)
                if found is None or found.metadata != blob.metadata:
                    raise Conflict(f"{self.address}/{name} was changed by somebody else meanwhile.") from None
                return generation_of(found)
            return generation_of(blob)

    def _delete(self, name: str, generation: int) -> None:
        from google.api_core.exceptions import NotFound, PreconditionFailed

        # Gone already, or another one by now, which is not ours to remove. This may be a retry.
        with suppress(NotFound, PreconditionFailed):
            self._blob(name).delete(if_generation_match=generation, retry=retry(), timeout=TIMEOUT_S)

    def _upload(self, path: Path, name: str, generation: int) -> None:
        from google.api_core.exceptions import PreconditionFailed

        blob = self._blob(name)
        if path.stat().st_size > _PIECE:
            blob.chunk_size = _PIECE
        # Somebody may have been faster, or only the answer was lost: callers compare what is there.
        with suppress(PreconditionFailed):
            blob.upload_from_filename(
                str(path),
                if_generation_match=generation,
                checksum="crc32c",
                retry=retry(),
                timeout=TIMEOUT_S,
            )

    def _download(self, blob: "storage.Blob", target: Path) -> None:
        aside = self.root / FETCHED / uuid.uuid4().hex
        # Bound to the generation listed: an overwrite in between cannot mix two versions.
        blob.download_to_filename(
            str(aside), if_generation_match=blob.generation, retry=retry(), timeout=TIMEOUT_S
        )
        target.parent.mkdir(parents=True, exist_ok=True)
        replace_file(aside, target)

    def _compare(self, path: Path, name: str, blob: "storage.Blob | None") -> None:
        if blob is None or blob.crc32c != crc32c_of(path):
            raise StoreError(
                f"{self.address}/{name} differs from what was uploaded. Remove it and run again."
            )

    def _get(self, name: str) -> "storage.Blob | None":
        return self._bucket.get_blob(self._prefix + name, retry=retry(), timeout=TIMEOUT_S)

    def _objects(self, folder: str) -> "dict[str, storage.Blob]":
        """The objects below a folder, by their name within."""
        prefix = self._prefix + (f"{folder}/" if folder else "")
        with self._telling(folder):
            return {blob.name.removeprefix(prefix): blob for blob in self._listing(prefix=prefix)}

    def _listing(self, **wanted: Any) -> Any:
        return self._bucket.client.list_blobs(self._bucket, retry=retry(), timeout=TIMEOUT_S, **wanted)

    @contextmanager
    def _telling(self, name: str) -> Iterator[None]:
        with telling(f"{self.address}/{name}".rstrip("/")):
            yield


def bucket_backend(address: str, cache_root: Path) -> BucketBackend:
    """Open the storage backend of gs://bucket/prefix, with a local copy below `cache_root`.

    Raises:
        StoreError: it names no bucket, or there are no credentials.
    """
    from google.auth.exceptions import DefaultCredentialsError

    bucket, _, prefix = address.removeprefix("gs://").partition("/")
    prefix = prefix.strip("/")
    if not bucket:
        raise StoreError(f"{address} names no bucket: write gs://bucket/prefix.")
    try:
        google = client()
    except DefaultCredentialsError as error:
        raise StoreError(f"{address}: {error} Run `gcloud auth application-default login`.") from error
    local = cache_root.expanduser().resolve()
    return BucketBackend(
        google.bucket(bucket), prefix, local / bucket / prefix, local / ".unsent" / bucket / prefix
    )
