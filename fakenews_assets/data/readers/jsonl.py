"""Reads JSON Lines: one object per line."""

import json
import math
from collections.abc import Iterator

from fakenews_assets.data.readers.chunks import (
    COLUMNS,
    ChunkBuilder,
    RawChunk,
    missing_title,
    plain_name,
)
from fakenews_assets.data.readers.lines import Lines
from fakenews_assets.data.schema import Reason

_POSITIONS = {column: at for at, column in enumerate(COLUMNS)}


def read_jsonl(lines: Lines, builder: ChunkBuilder) -> Iterator[RawChunk]:
    """Read one record per line that is not blank.

    Numbers and truth values become their JSON text; a value that is an array or an object makes the record
    unreadable.

    Raises:
        UnreadableFile: if no object of the file has a title.
    """
    names: dict[str, None] = {}
    for line in lines:
        lines.begin_record()
        if not line.strip():
            continue
        try:
            record, found = _record(line)
        except (ValueError, RecursionError) as error:
            builder.reject(Reason.UNREADABLE_ROW, f"line {lines.number}: {error}", line)
        else:
            names.update(found)
            builder.add(record, len(line))
        if builder.full:
            yield builder.take(_POSITIONS)
    if "title" not in map(plain_name, names):
        raise missing_title(list(names))
    yield builder.finish(_POSITIONS)


def _record(line: str) -> tuple[list[str | None], dict[str, None]]:
    """Return the values in the order of `COLUMNS`, and all the names that the object has."""
    found = json.loads(line)
    if not isinstance(found, dict):
        raise ValueError(f"a JSON {_KINDS[type(found)]}, not an object")
    plain = {plain_name(name): value for name, value in found.items()}
    record = [
        _text(column, next((plain[alias] for alias in aliases if alias in plain), None))
        for column, aliases in COLUMNS.items()
    ]
    return record, dict.fromkeys(found)


_KINDS = {
    list: "array",
    dict: "object",
    str: "string",
    int: "number",
    float: "number",
    bool: "truth value",
    type(None): "null",
}


def _text(column: str, value: object) -> str | None:
    if isinstance(value, str):
        return value
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, (list, dict)):
        raise ValueError(f"{column} is a JSON {_KINDS[type(value)]}, not text")
    return json.dumps(value)
