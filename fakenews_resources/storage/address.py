"""Opens the storage backend of an address."""

import os
from pathlib import Path

from fakenews_resources.project import project_path
from fakenews_resources.storage.backend import Backend, FolderBackend, StoreError


def backend_of(address: str | Path) -> Backend:
    """The storage backend that an address names: a path, or gs://bucket/prefix. Relative paths start at the project's
    folder.

    Files of a bucket are copied below FAKENEWS_CACHE, by default `.fakenews/.cache`.

    Raises:
        StoreError: another kind of address.
    """
    text = str(address)
    if text.startswith("gs://"):
        # Google's client takes a second to import.
        from fakenews_resources.storage.bucket import bucket_backend

        cache = project_path(os.environ.get("FAKENEWS_CACHE", ".fakenews/.cache"))
        return bucket_backend(text, cache)
    if "://" in text:
        raise StoreError(f"Cannot store in {text}: set FAKENEWS_STORAGE to a path, or to gs://bucket/prefix.")
    return FolderBackend(project_path(text).resolve())
