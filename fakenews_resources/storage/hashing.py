"""Digests of files and folders, and the names of versions that follow from them."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict


class FileEntry(BaseModel):
    """One file of a version."""

    model_config = ConfigDict(frozen=True)

    sha256: str
    bytes: int


def digest(path: Path, algorithm: str = "sha256") -> str:
    """Hex digest of a file's bytes by one of `hashlib`'s algorithms, read in chunks."""
    with path.open("rb") as file:
        # md5 serves as a checksum that a publisher announced, not against an attacker.
        return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()


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
