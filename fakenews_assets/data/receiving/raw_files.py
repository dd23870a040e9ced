"""The files of a batch as they were received: where they lie, and their rows, numbered through."""

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Final

import polars as pl

from fakenews_assets.data.fields.columns import RawChunk, read_raw
from fakenews_assets.data.fields.mapping import BatchMapping
from fakenews_resources.storage.artifact import Artifact

MAPPING_FILE: Final = "_mapping.json"
"""What was given for the batch, beside its bytes, so that it is part of the version; no received file begins with an
underscore."""


def raw_files(raw: Artifact) -> list[Path]:
    """The files of a stored batch, in order."""
    return [raw.path / file["file"] for file in raw.meta["files"]]


def read_mapping(raw: Artifact) -> BatchMapping:
    """What was given for a stored batch."""
    file = raw.path / MAPPING_FILE
    return BatchMapping.model_validate(json.loads(file.read_bytes())) if file.is_file() else BatchMapping()


def rows_by_file(raw: Artifact, rows: Collection[int]) -> dict[Path, list[int]]:
    """Rows of a stored batch by the file that holds them, as that file numbers them."""
    counts = [file["rows"] or 0 for file in raw.meta["files"]]
    ends = [*accumulate(counts, initial=0)]
    parts = zip(raw_files(raw), pairwise(ends), strict=True)
    found = {
        path: [row - begin for row in sorted(rows) if begin < row <= end] for path, (begin, end) in parts
    }
    return {path: mine for path, mine in found.items() if mine}


def read_files(files: Sequence[Path], mapping: BatchMapping) -> Iterator[RawChunk]:
    """Read the files of a batch chunk by chunk. `row` goes on from one file to the next.

    Raises:
        UnreadableFile: as `read_raw`.
    """
    first = 0
    for number, file in enumerate(files):
        label = mapping.file_labels[number] if mapping.file_labels else ""
        rows = 0
        for chunk in read_raw(file, mapping):
            rows += len(chunk.rows) + len(chunk.rejects)
            numbered = pl.col("row") + first
            read = chunk.rows.with_columns(numbered, label=pl.lit(label) if label else "label")
            rejects = chunk.rejects.with_columns(numbered)
            yield replace(chunk, rows=read, rejects=rejects, file=file.name if len(files) > 1 else "")
        first += rows
