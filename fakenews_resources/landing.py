"""The landing folder: a folder or a prefix of a bucket whose complete files become batches."""

import base64
import json
import os
import re
import stat
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic, time
from typing import Any, Final

import dagster as dg
from pydantic import Field, TypeAdapter, ValidationError

from fakenews_resources.news.base import SUFFIXES, BadAddress, Refused
from fakenews_resources.news.gcs import gcs_errors
from fakenews_resources.project import project_path
from fakenews_resources.storage.durable import replace_text
from fakenews_resources.storage.hashing import digest

_UNFINISHED: Final = (".part", ".partial", ".tmp", ".crdownload", "~")
IDENTITY_DIGITS: Final = 8
"""Of a file's digest, at the end of its batch's name."""
_NAME_LENGTH: Final = 100
# The daemon gives a tick 60 seconds.
_HASHING_SECONDS: Final = 20
_TIMEOUT_S: Final = 5
_RETRY_S: Final = 8

_GROWING: Final = "still being written"
_UNKNOWN_FORMAT: Final = "of no known format"
_NESTED: Final = "in subfolders, which are not watched"
_MAPPING: Final = "mapping.toml"


@dataclass(frozen=True)
class LandedFile:
    """A complete file.

    Attributes:
        name: its name in the landing folder.
        uri: where `raw_news` gets it; in a bucket, the generation that was seen.
        size_bytes: its length.
        identity: hex digest of its content: SHA-256, in a bucket MD5 or, for a composite object, CRC32C.
        arrived: when its content or name changed last, in seconds since 1970.
        mapping: the text of its mapping, `NAME.mapping.toml`, or of `mapping.toml`, which is for the whole folder; empty:
            there is none.
    """

    name: str
    uri: str
    size_bytes: int
    identity: str
    arrived: float
    mapping: str = ""

    @property
    def batch(self) -> str:
        """The partition of `news_batches` that it becomes."""
        return batch_name_of(self.name, self.identity)


@dataclass(frozen=True)
class Landed:
    """The files of a landing folder.

    Attributes:
        files: the complete files in order of arrival.
        waiting: names of the other files, by the reason why they are not complete.
    """

    files: Sequence[LandedFile]
    waiting: Mapping[str, Sequence[str]]


def batch_name_of(file_name: str, identity: str) -> str:
    """Name a batch by the file's stem and the first 8 digits of its content's digest, so that a changed file gets
    another name. The stem ends at the first dot. Characters that a batch name must not contain become `_`.
    """
    stem = re.sub(r"[^A-Za-z0-9@+=-]+", "_", file_name.split(".")[0]).lstrip("_@+=-")
    return f"{stem[: _NAME_LENGTH - IDENTITY_DIGITS - 1] or 'news'}-{identity[:IDENTITY_DIGITS]}"


class Landing(dg.ConfigurableResource):
    """A folder or prefix that is watched for new files, and never written to.

    Hidden files, names that end in `.part`, `.partial`, `.tmp`, `.crdownload` or `~`, and subfolders are left out. Files in subfolders are named as
    waiting.
    """

    root: str = Field(
        default="landing",
        description=(
            "Folder, or gs://bucket/prefix, in which every news file becomes a batch. "
            "Relative paths start at the project's folder."
        ),
    )
    settle_seconds: float = Field(
        default=10,
        ge=0,
        description=(
            "A local file is complete once it has not changed for so long. Write large files under a name "
            "ending in .part and rename them."
        ),
    )

    def look(self, cache: Path) -> Landed:
        """List the files.

        Args:
            cache: folder in which the hashes of local files are kept from one look to the next.

        Raises:
            SourceError: if the folder cannot be listed; the message says what to do next.
        """
        if self.root.startswith("gs://"):
            return _landed(_look_into_bucket(self.root))
        if "://" in self.root:
            raise BadAddress(f"{self.root} cannot be watched: name a folder, or gs://bucket/prefix")
        hashes = _Hashes(cache / "hashes.json")
        folder = project_path(self.root)
        landed = _landed(_look_into_folder(folder, self.settle_seconds, hashes))
        hashes.save()
        return landed


def _landed(found: Iterable[tuple[str, LandedFile | str]]) -> Landed:
    files: list[LandedFile] = []
    waiting: defaultdict[str, list[str]] = defaultdict(list)
    for name, file_or_reason in found:
        if isinstance(file_or_reason, LandedFile):
            files.append(file_or_reason)
        else:
            waiting[file_or_reason].append(name.encode(errors="replace").decode())
    return Landed(sorted(files, key=lambda file: (file.arrived, file.name)), waiting)


def _counts(name: str) -> bool:
    return not name.startswith(".") and not name.endswith((*_UNFINISHED, _MAPPING))


def _mapping_names(name: str) -> list[str]:
    """Names of the files that may hold the mapping of a file, the first that exists counts."""
    stems = [name, *(name[: -len(suffix)] for suffix in SUFFIXES if name.lower().endswith(suffix))]
    return [*(f"{stem}.{_MAPPING}" for stem in stems), _MAPPING]


def _look_into_folder(
    folder: Path, settle_seconds: float, hashes: "_Hashes"
) -> Iterator[tuple[str, LandedFile | str]]:
    """Each file's name, with the file or with the reason why it is not complete."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        paths = sorted(path for path in folder.iterdir() if _counts(path.name))
    except OSError as error:
        raise Refused(
            f"{folder} cannot be watched ({error.strerror}): make it a folder that this user may read"
        ) from error
    for path in paths:
        try:
            state = path.stat()
            if stat.S_ISREG(state.st_mode):
                found = _examine(path, state, settle_seconds, hashes)
                if isinstance(found, LandedFile):
                    beside = (folder / name for name in _mapping_names(path.name))
                    mapping = next((one.read_text("utf-8") for one in beside if one.is_file()), "")
                    found = replace(found, mapping=mapping)
                yield path.name, found
            elif stat.S_ISDIR(state.st_mode):
                inner = sorted(one.name for one in path.iterdir() if _counts(one.name))
                yield from (
                    (f"{path.name}/{name}", _NESTED) for name in inner if name.lower().endswith(SUFFIXES)
                )
        except FileNotFoundError:  # taken away meanwhile, or a link to nothing
            continue
        except (OSError, UnicodeDecodeError):
            yield path.name, "that cannot be read"


def _examine(path: Path, state: os.stat_result, settle_seconds: float, hashes: "_Hashes") -> LandedFile | str:
    if not path.name.lower().endswith(SUFFIXES):
        return _UNKNOWN_FORMAT
    if os.fsencode(path.name).decode(errors="replace") != path.name:
        return "with a name that is not UTF-8"
    now = time()
    # A time that was copied along may lie in the future; the change time is the system's own.
    past = [moment for moment in (state.st_mtime, state.st_ctime) if moment <= now]
    if not past or now - max(past) < settle_seconds:
        return _GROWING
    sha256 = hashes.of(path, state)
    if sha256 is None:
        return "left for the next look"
    if _fingerprint(path.stat()) != _fingerprint(state):
        return _GROWING
    return LandedFile(path.name, path.as_uri(), state.st_size, sha256, max(past))


def _look_into_bucket(root: str) -> Iterator[tuple[str, LandedFile | str]]:
    """Each object's name, with the file or with the reason why it is not complete."""
    # Slow imports, not needed for a folder.
    from google.cloud import storage
    from google.cloud.storage.retry import DEFAULT_RETRY

    bucket, _, prefix = root.removeprefix("gs://").partition("/")
    if not bucket:
        raise BadAddress(f"{root} names no bucket: write gs://bucket, or gs://bucket/prefix")
    # Without the slash, `land` would also list `landfill.csv`.
    prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
    missing = f"no bucket {bucket}: create it, or watch another folder"
    with gcs_errors(root, missing, "could not be listed ({}): check the network"):
        listed: Any = storage.Client().list_blobs(  # whose types lack `prefixes`
            bucket,
            prefix=prefix,
            delimiter="/",
            timeout=_TIMEOUT_S,
            retry=DEFAULT_RETRY.with_timeout(_RETRY_S),
        )
        blobs = list(listed)
    for folder in sorted(listed.prefixes):
        yield folder.removeprefix(prefix), _NESTED
    mappings = {blob.name: blob for blob in blobs if blob.name.endswith(_MAPPING)}
    for blob in blobs:
        name = blob.name.removeprefix(prefix)
        if not name or not _counts(name):
            continue
        if not name.lower().endswith(SUFFIXES):
            yield name, _UNKNOWN_FORMAT
            continue
        uri = f"gs://{bucket}/{blob.name}#{blob.generation}"
        identity = base64.b64decode(blob.md5_hash or blob.crc32c).hex()
        beside = (mappings[prefix + one] for one in _mapping_names(name) if prefix + one in mappings)
        mapping = next((one.download_as_text(timeout=_TIMEOUT_S) for one in beside), "")
        yield name, LandedFile(name, uri, blob.size, identity, blob.updated.timestamp(), mapping)


_Fingerprint = tuple[int, int, int]


def _fingerprint(state: os.stat_result) -> _Fingerprint:
    return state.st_size, state.st_mtime_ns, state.st_ctime_ns


class _Hashes:
    """Cached SHA-256 of local files, recomputed for a file whose size or times have changed.

    The cache is one file, which is rewritten if it is damaged. Files that were not asked for are dropped.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._before = self._read()
        self._after: dict[str, tuple[_Fingerprint, str]] = {}
        self._deadline = monotonic() + _HASHING_SECONDS

    def _read(self) -> dict[str, tuple[_Fingerprint, str]]:
        try:
            return TypeAdapter(dict[str, tuple[_Fingerprint, str]]).validate_json(self._path.read_bytes())
        except (FileNotFoundError, ValidationError):
            return {}

    def of(self, path: Path, state: os.stat_result) -> str | None:
        """The hash, or None if the time limit of this look is reached; the next look continues."""
        known = self._before.get(path.name)
        if known and known[0] == _fingerprint(state):
            self._after[path.name] = known
        elif monotonic() < self._deadline:
            self._after[path.name] = (_fingerprint(state), digest(path))
        else:
            return None
        return self._after[path.name][1]

    def save(self) -> None:
        """Keep what was asked for."""
        if self._after != self._before:
            replace_text(self._path, json.dumps(self._after))
