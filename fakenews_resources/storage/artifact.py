"""One version of a value: its files, and the record of who made it, from what, when."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from fakenews_resources.storage.backend import Backend, Stat, StoreError
from fakenews_resources.storage.hashing import FileEntry


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


def stat_version(backend: Backend, folder: str) -> Stat | None:
    """Size of the files in a folder, and time of the record beside it, or of the files if there is no record."""
    files, record = backend.stat(folder), backend.stat(f"{folder}.json")
    newest = record or files
    return Stat(files.bytes if files else 0, newest.changed) if newest else None


def remove_version(backend: Backend, folder: str) -> None:
    """Remove the record beside a folder, then the folder."""
    backend.delete(f"{folder}.json")
    backend.remove(folder)
