"""The bytes of a batch as they were received, and the manifest that says what they are."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, field_validator

from fakenews_assets.data.columns import read_raw
from fakenews_assets.data.readers.table import UnreadableFile
from fakenews_assets.data.sources import normalise_source
from fakenews_resources.news.base import Received
from fakenews_resources.storage.store import Artifact

_GIVEN_FILE: Final = "_given.json"
"""What was given for the whole batch, beside its bytes; no received file begins with an underscore."""


class RawNewsSettings(BaseModel):
    """Settings of `raw_news`: the source of the batch."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    uri: str = Field(
        default="",
        description=(
            "`sample:rows=6000,seed=7,era=0`, `welfake:`, a path, or a file://, https:// or gs:// address. "
            "Empty: where this batch came from before. A new batch needs one."
        ),
    )
    source: str = Field(
        default="",
        description=(
            "Publisher of the rows that name none: a domain, an address or a name. Empty: what was given for this batch"
            " before, else unknown."
        ),
    )
    sha256: str = Field(
        default="",
        description="SHA-256 that the bytes must have, such as that of the landed file. Empty: any.",
    )

    @field_validator("source")
    @classmethod
    def _names_a_publisher(cls, source: str) -> str:
        if source and not normalise_source(source):
            raise ValueError(f"{source!r} names no publisher: give a domain such as example.com, or a name")
        return source


class BatchChanged(ValueError):
    """An address gives other bytes than those that the batch was named for; nothing of it is stored."""

    def __init__(self, message: str, hashes: Mapping[str, str]) -> None:
        super().__init__(message)
        self.hashes = hashes


class BatchRepeated(ValueError):
    """Another batch holds the same bytes; nothing is stored."""


def store_raw_file(
    received: Received,
    batch: str,
    folder: Path,
    known: Mapping[str, Any],
    expected_sha256: str = "",
    source: str = "",
    *,
    first: str | None = None,
) -> dict[str, Any]:
    """Check a received file against what is known of its batch, and move it into the folder of the batch.

    Args:
        received: the file; removed if the batch may not have it.
        batch: name of the batch.
        folder: receives the file.
        known: manifest of the batch if it was received before, else empty.
        expected_sha256: as `RawNewsSettings.sha256`.
        source: as `RawNewsSettings.source`.
        first: another batch that holds the same bytes, if there is one.

    Returns:
        The manifest; `rows` is None for a file that cannot be read, which `clean_batch` will say.

    Raises:
        BatchChanged: the bytes are not those of the batch.
        BatchRepeated: they are those of `first`.
    """
    if expected_sha256 and expected_sha256 != received.sha256:
        received.path.unlink()
        raise BatchChanged(
            f"{received.uri} has changed since batch {batch!r} was registered for it. The changed file becomes a new"
            " batch of another name.",
            {"expected_sha256": expected_sha256, "received_sha256": received.sha256},
        )
    if known and known["sha256"] != received.sha256:
        received.path.unlink()
        raise BatchChanged(
            f"{received.uri} no longer has the bytes of batch {batch!r}, and a batch never changes. "
            "Ingest the new file under a new name: fakenews ingest FILE --batch NAME.",
            {"stored_sha256": known["sha256"], "received_sha256": received.sha256},
        )
    if first and not known:
        received.path.unlink()
        raise BatchRepeated(repeats(received.uri, first))
    file = received.path.replace(folder / received.path.name)
    publisher = normalise_source(source) or known.get("source")
    if publisher:  # as a file, so that it is part of the version
        (folder / _GIVEN_FILE).write_text(json.dumps({"source": publisher}), encoding="utf-8")
    return {
        "file": file.name,
        "source_uri": received.uri,
        "sha256": received.sha256,
        "bytes": received.size_bytes,
        "rows": _rows_in(file),
        "source": publisher,
        "received_at": known.get("received_at") or datetime.now(UTC).isoformat(),
    }


def repeats(uri: str, first: str) -> str:
    """A sentence that says which batch holds the bytes of a file."""
    return (
        f"{uri} holds the same bytes as batch {first!r}. They are not ingested twice, because every article would count"
        " as a duplicate."
    )


def given_source(raw: Artifact) -> str | None:
    """The publisher that was given for a whole batch."""
    given = raw.path / _GIVEN_FILE
    return raw.read_json(_GIVEN_FILE)["source"] if given.is_file() else None


def _rows_in(path: Path) -> int | None:
    try:
        return sum(len(chunk.rows) + len(chunk.rejects) for chunk in read_raw(path))
    except UnreadableFile:
        return None
