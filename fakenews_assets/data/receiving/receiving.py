"""Receives the files of a batch: checks them against what is known, and writes the manifest that says what they are."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from fakenews_assets.data.fields.columns import ChosenColumns, meanings_in
from fakenews_assets.data.fields.dates import DayOrder
from fakenews_assets.data.fields.mapping import BatchMapping
from fakenews_assets.data.readers.table import UnreadableFile
from fakenews_assets.data.receiving.raw_files import MAPPING_FILE, read_files
from fakenews_assets.data.recipes.recipe import recognised, said_by
from fakenews_resources.news.base import Received


class RawNewsSettings(BatchMapping):
    """Settings of `raw_news`: the source of the batch, and how its rows are read. What is empty is as it was given for this
    batch before."""

    uri: str = Field(
        default="",
        description=(
            "`sample:rows=6000,seed=7,era=0`, `welfake:`, a path, or a file://, https:// or gs:// address. "
            "Empty: where this batch came from before. A new batch needs one."
        ),
    )
    more_uris: tuple[str, ...] = Field(default=(), description="Further files of the same batch.")
    sha256: str = Field(
        default="",
        description="SHA-256 that the bytes must have, such as that of the landed file. Empty: any.",
    )
    forgotten: tuple[str, ...] = Field(
        default=(), description="Settings that no longer are as they were given before, such as `labels`."
    )

    @field_validator("forgotten")
    @classmethod
    def _are_settings(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := set(names) - set(BatchMapping.model_fields):
            raise ValueError(
                f"{', '.join(sorted(unknown))}: not one of {', '.join(BatchMapping.model_fields)}"
            )
        return names

    @property
    def uris(self) -> tuple[str, ...]:
        """Where the files are; empty: where they were."""
        return (self.uri, *self.more_uris) if self.uri else ()

    @property
    def mapping(self) -> BatchMapping:
        """How the rows are read."""
        return BatchMapping.model_validate(self.model_dump(include=set(BatchMapping.model_fields)))

    def kept(self, known: Mapping[str, Any]) -> dict[str, Any]:
        """What was given for the batch before and still counts. Args: known: its manifest; empty if it is new."""
        given = {*self.mapping.model_dump(exclude_defaults=True), *self.forgotten}
        return {name: value for name, value in known.get("mapping", {}).items() if name not in given}


class BatchChanged(ValueError):
    """An address gives other bytes than those that the batch was named for; nothing of it is stored."""

    def __init__(self, message: str, hashes: Mapping[str, str]) -> None:
        super().__init__(message)
        self.hashes = hashes


class BatchRepeated(ValueError):
    """Another batch holds the same bytes; nothing is stored."""


def digest_of(sha256s: Sequence[str]) -> str:
    """The digest of a batch: that of its file, or of the digests of its files in order."""
    return sha256s[0] if len(sha256s) == 1 else hashlib.sha256("\n".join(sha256s).encode()).hexdigest()


def store_raw_files(
    received: Sequence[Received],
    batch: str,
    folder: Path,
    known: Mapping[str, Any],
    settings: RawNewsSettings,
    *,
    first: str | None = None,
) -> dict[str, Any]:
    """Check received files against what is known of their batch, and move them into the folder of the batch.

    Args:
        received: the files; removed if the batch may not have them.
        batch: name of the batch.
        folder: receives the files.
        known: manifest of the batch if it was received before, else empty.
        settings: as they were given.
        first: another batch that holds the same bytes, if there is one.

    Returns:
        The manifest; `read_as` is empty and `rows` None for files that cannot be read, which `clean_batch` will say.

    Raises:
        BatchChanged: the bytes are not those of the batch.
        BatchRepeated: they are those of `first`.
    """
    sha256, uri = digest_of([one.sha256 for one in received]), " ".join(one.uri for one in received)
    try:
        if settings.sha256 and settings.sha256 != sha256:
            raise BatchChanged(
                f"{uri} has changed since batch {batch!r} was registered for it. The changed file becomes a new"
                " batch of another name.",
                {"expected_sha256": settings.sha256, "received_sha256": sha256},
            )
        if known and known["sha256"] != sha256:
            raise BatchChanged(
                f"{uri} no longer has the bytes of batch {batch!r}, and a batch never changes. "
                "Ingest the new file under a new name: fakenews ingest FILE --batch NAME.",
                {"stored_sha256": known["sha256"], "received_sha256": sha256},
            )
        if first and not known:
            raise BatchRepeated(repeats(uri, first))
    except ValueError:
        for one in received:
            one.path.unlink()
        raise
    files = [_moved(one.path, folder) for one in received]
    mapping = settings.mapping.over(BatchMapping.model_validate(settings.kept(known)))
    found, order = _survey(files, mapping)
    recipe = recognised(found)
    said = said_by(recipe, mapping)
    if said["columns"]:
        found, order = _survey(files, decided(mapping, order, **said))
    if (used := decided(mapping, order, **said)) != BatchMapping():
        (folder / MAPPING_FILE).write_text(used.model_dump_json(exclude_defaults=True), encoding="utf-8")
    rows = [one["rows"] for one in found]
    return {
        "files": [
            {"file": file.name, "source_uri": one.uri, "sha256": one.sha256, "bytes": one.size_bytes, **read}
            for file, one, read in zip(files, received, found, strict=True)
        ],
        "source_uri": uri,
        "sha256": sha256,
        "bytes": sum(one.size_bytes for one in received),
        "rows": None if None in rows else sum(rows),
        "mapping": mapping.model_dump(exclude_defaults=True, mode="json"),
        "recognised": {"as": recipe.name if recipe else "", **said},
        "dates": order.model_dump(),
        "day_first": bool(used.day_first),
        "received_at": known.get("received_at") or datetime.now(UTC).isoformat(),
    }


def repeats(uri: str, first: str) -> str:
    """A sentence that says which batch holds the bytes of a file."""
    return (
        f"{uri} holds the same bytes as batch {first!r}, and the same bytes are not ingested twice. Clean that batch again,"
        f" such as with other options: fakenews ingest FILE --batch {first}. Or delete it first: fakenews retire-batch {first}"
        " --reason REASON"
    )


def decided(
    mapping: BatchMapping, order: DayOrder, *, columns: Mapping[str, str], labels: Mapping[str, str]
) -> BatchMapping:
    """A mapping with what the files decide unless it was given: the order of day and month, columns, and what labels mean.

    Args:
        mapping: what was given.
        order: what the dates say.
        columns: of the recipe that the files were recognised by, as `said_by` has it.
        labels: the same.
    """
    found: dict[str, Any] = {"columns": {**mapping.columns, **columns}}
    if labels:
        found["labels"] = dict(labels)
    if mapping.day_first is None and order.is_day_first:
        found["day_first"] = True
    return mapping.model_copy(update=found)


def columns_read(manifest: Mapping[str, Any]) -> tuple[str, str]:
    """The columns of a batch that were used and those that were ignored, in words."""
    used = {field: name for file in manifest["files"] for field, name in file["columns"].items()}
    ignored = sorted({name for file in manifest["files"] for name in file["ignored"]})
    named = [field if field == name else f"{field} from {name!r}" for field, name in used.items()]
    if (meaning := meanings_in(used.get("label", "")).get("1")) and not manifest["mapping"].get("labels"):
        named.append(f"where 1 = {meaning} by the name of the column of labels")
    if labels := manifest["recognised"]["labels"]:
        meanings = ", ".join(f"{word} = {meaning}" for word, meaning in labels.items())
        named.append(f"in which {meanings}, because these are the columns of {manifest['recognised']['as']}")
    if words := manifest["mapping"].get("title_words", 0):
        missing = ", where it is missing," if "title" in used else ""
        named.append(f"title{missing} from the first {words} words of the text")
    if source := manifest["mapping"].get("source"):
        named.append(f"source {source!r} where a row names none")
    return ", ".join(named) or "none", ", ".join(map(repr, ignored)) or "none"


def _moved(path: Path, folder: Path) -> Path:
    """The file in another folder, under a name of its own."""
    taken = len([one for one in folder.iterdir() if one.name.endswith(path.name)])
    return path.replace(folder / (f"{taken + 1}-{path.name}" if taken else path.name))


def _survey(files: Sequence[Path], mapping: BatchMapping) -> tuple[list[dict[str, Any]], DayOrder]:
    """The number of rows of each file, how it is written and its columns, no number if it cannot be read, and what their
    dates say about day and month."""
    found: list[dict[str, Any]] = []
    orders = [DayOrder()]
    whole = mapping.model_copy(update={"file_labels": ()})
    for file in files:
        rows, read_as, columns = 0, "", ChosenColumns({}, ())
        try:
            for chunk in read_files([file], whole):
                rows, read_as = rows + len(chunk.rows) + len(chunk.rejects), chunk.read_as
                orders.append(DayOrder.of(chunk.rows["published_at"]))
                columns = chunk.columns
        except UnreadableFile:
            rows = None
        found.append(
            {"rows": rows, "read_as": read_as, "columns": columns.used, "ignored": list(columns.ignored)}
        )
    return found, DayOrder.total(orders)
