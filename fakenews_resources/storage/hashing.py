"""Digests of files."""

import hashlib
from pathlib import Path


def digest(path: Path, algorithm: str = "sha256") -> str:
    """Hex digest of a file's bytes by one of `hashlib`'s algorithms, read in chunks."""
    with path.open("rb") as file:
        # md5 serves as a checksum that a publisher announced, not against an attacker.
        return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()
