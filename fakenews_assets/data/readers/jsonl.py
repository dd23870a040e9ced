"""Reads JSON Lines: one object per line."""

import io
import json
import math
from collections.abc import Iterator
from typing import Any, Final

from fakenews_assets.data.readers.lines import Lines, LongRecord, too_long
from fakenews_assets.data.readers.table import (
    Dialect,
    Limits,
    Piece,
    Record,
    Reject,
    TextTable,
    UnreadableFile,
    readable,
    too_many_rows,
)

_MAX_NAMES: Final = 1_000
"""More names than a table has: a file with ids as names."""
_MAX_DEPTH: Final = 4
_KINDS: Final = {
    list: "array",
    dict: "object",
    str: "string",
    int: "number",
    float: "number",
    bool: "truth value",
    type(None): "null",
}


class JsonLinesTable(TextTable):
    """One record per line that is not blank.

    Numbers and truth values become their JSON text. The values of an object within a record become columns of
    their own, such as `source.name`; texts in an array are joined by commas. Names differ by more than their case.

    Args:
        text: opened with `newline=""`.
        dialect: what is known of it.
        limits: of a record, and of the file.
    """

    def __init__(self, text: io.TextIOWrapper, dialect: Dialect, limits: Limits) -> None:
        self._limits = limits
        names: dict[str, str] = {}
        first_fault = ""
        for number, line in _lines(text, limits):
            try:
                for name in flat(line) if line and line.strip() else ():
                    names.setdefault(name.lower(), name)
            except (ValueError, RecursionError) as error:
                first_fault = first_fault or f"line {number:,}: {error}"
            if len(names) > _MAX_NAMES:
                raise UnreadableFile(
                    f"its objects have more than {_MAX_NAMES:,} different names: write one object per article"
                )
        if not names and first_fault:
            raise UnreadableFile(f"no line holds a JSON object; {first_fault}")
        self._keys = tuple(names)
        super().__init__(text, tuple(names.values()), dialect)

    def pieces(self) -> Iterator[Piece]:
        at = 1
        for number, line in _lines(self._text, self._limits):
            if line is None:
                yield Piece((), Reject(at, number, too_long(self._limits.record_chars), ""))
                at += 1
                continue
            if not line.strip():
                yield Piece((line,), None)
                continue
            try:
                values = {name.lower(): value for name, value in flat(line).items()}
            except (ValueError, RecursionError) as error:
                found = Reject(at, number, f"not a JSON object: {_kind(error)}", line)
            else:
                found = Record(at, number, [values.get(key) for key in self._keys], len(line))
            yield Piece((line,), found)
            at += 1


def _lines(text: io.TextIOWrapper, limits: Limits) -> Iterator[tuple[int, str | None]]:
    """The lines with their numbers from 1; None: it was too long, and passed over."""
    text.seek(0)
    lines = Lines(text, limits)
    while True:
        try:
            line = next(lines, "")
        except LongRecord:
            if not limits.skip_long:
                raise
            lines.skip_record()
            line = None
        if line == "":
            return
        lines.begin_record()
        if limits.rows is not None and lines.number > limits.rows:
            raise too_many_rows(limits.rows)
        yield lines.number, line


def _kind(error: Exception) -> str:
    """What is wrong, without the place."""
    return error.msg if isinstance(error, json.JSONDecodeError) else str(error)


def flat(line: str) -> dict[str, str | None]:
    """The values of a JSON object as text. Raises ValueError or RecursionError if the line holds none."""
    found = json.loads(line)
    if not isinstance(found, dict):
        raise ValueError(f"it is a JSON {_KINDS[type(found)]}")
    values: dict[str, str | None] = {}
    _flatten("", found, values, 0)
    if "\\u" in line:  # an escape may stand for half a character
        values = {name: value and readable(value) for name, value in values.items()}
    return values


def _flatten(prefix: str, found: dict[str, Any], into: dict[str, str | None], depth: int) -> None:
    for key, written in found.items():
        name, value = f"{prefix}{key.strip()}", _plain(written)
        if isinstance(value, dict) and depth < _MAX_DEPTH:
            _flatten(f"{name}.", value, into, depth + 1)
        else:
            into[name] = _text(value)


def _plain(value: Any) -> Any:
    """A value that MongoDB's export wraps in its type, such as {"$numberInt": "1"}; others as they are."""
    while isinstance(value, dict) and len(value) == 1 and (name := next(iter(value))).startswith("$"):
        value = value[name]
    return value


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return value
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ", ".join(value)
    return json.dumps(value, ensure_ascii=False)
