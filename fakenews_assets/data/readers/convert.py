"""Writes a spreadsheet as CSV, or a JSON document as JSON Lines; a program of its own.

    python -P convert.py sheet|CODEC MEMORY_BYTES OUTPUT_BYTES <document >lines

Such a document has to be held as a whole. A process of its own bounds the memory and the time that it takes, and
leaves the caller's interpreter free. It imports nothing of the project, so that it starts fast.
"""

import csv
import io
import json
import resource
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import zip_longest
from typing import Any

_INPUT = "/dev/stdin"


class Refused(Exception):
    """The document holds no table that can be told; the message says why."""


def write_sheet() -> None:
    """Write the one sheet that has rows."""
    from python_calamine import (
        CalamineError,
        CalamineWorkbook,
        PasswordError,
        SheetTypeEnum,
        SheetVisibleEnum,
    )

    try:
        workbook = CalamineWorkbook.from_path(_INPUT)
        shown = [
            sheet.name
            for sheet in workbook.sheets_metadata
            if sheet.visible == SheetVisibleEnum.Visible and sheet.typ == SheetTypeEnum.WorkSheet
        ]
        filled = [sheet for name in shown if (sheet := workbook.get_sheet_by_name(name)).height]
    except PasswordError as error:
        raise Refused("the spreadsheet has a password: save it without one") from error
    except CalamineError as error:
        raise Refused(f"not a sound spreadsheet ({error}): save it again as xlsx or CSV") from error
    if not filled:
        raise Refused("the spreadsheet is empty: it needs a header and rows")
    if len(filled) > 1:
        listed = ", ".join(f"{sheet.name!r} ({sheet.height:,} rows)" for sheet in filled[:10])
        raise Refused(
            f"the spreadsheet has several sheets: {listed}. Save each that counts as a file of its own"
        )
    lines = csv.writer(sys.stdout)
    for row in _unmerged(filled[0].iter_rows(), filled[0].merged_cell_ranges or ()):
        lines.writerow(map(_cell, row))


def _unmerged(rows: Iterable[list[Any]], merged: Iterable[Sequence[tuple[int, int]]]) -> Iterable[list[Any]]:
    """Rows in which each cell that was merged with those below it has their common value, which is stored in the first.

    Args:
        rows: from the first of the sheet on.
        merged: first and last cell (row, column) of the merged ranges.
    """
    columns = sorted(
        (top, left, bottom) for (top, left), (bottom, right) in merged if left == right and top < bottom
    )
    last: dict[int, tuple[int, Any]] = {}
    at = 0
    for number, row in enumerate(rows):
        for column, (bottom, value) in last.items():
            if number <= bottom and column < len(row):
                row[column] = value
        while at < len(columns) and columns[at][0] <= number:
            top, column, bottom = columns[at]
            if top == number and column < len(row):
                last[column] = bottom, row[column]
            at += 1
        yield row


def _cell(value: object) -> object:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value.isoformat(sep=" ") if isinstance(value, datetime) else value


def write_records(codec: str) -> None:
    """Write the records of a JSON document, whose shape may be any of pandas' or of a news API."""
    text = sys.stdin.buffer.read().decode(codec, "replace")
    try:
        found = list(_values(text))
    except RecursionError:
        raise Refused("its JSON is nested too deeply to be a table") from None
    except json.JSONDecodeError as error:
        raise Refused(f"not sound JSON: {error.msg} at line {error.lineno}, column {error.colno}") from error
    except ValueError:  # Python's limit
        raise Refused(
            f"its JSON holds a number of more than {sys.get_int_max_str_digits():,} digits"
        ) from None
    records = _records(found[0]) if len(found) == 1 else found
    for record in records:
        json.dump(record, sys.stdout, ensure_ascii=False)
        sys.stdout.write("\n")


def _values(text: str) -> Iterable[Any]:
    """The JSON values of a text, of which there is one unless a writer put them one after another."""
    decoder = json.JSONDecoder()
    at = _skip_blanks(text, 0)
    while at < len(text):
        value, at = decoder.raw_decode(text, at)
        yield value
        at = _skip_blanks(text, at)


def _skip_blanks(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n\ufeff\x1e":
        at += 1
    return at


def _records(document: Any) -> Iterable[Any]:
    if isinstance(document, list):
        if document and not any(isinstance(one, dict) for one in document):
            raise Refused(
                "its JSON array holds no objects, hence no column names: write objects, in pandas with"
                " to_json(orient='records')"
            )
        return document
    if not isinstance(document, dict):
        raise Refused("its JSON is one value, not a table: write an array of objects")
    data, columns = document.get("data"), document.get("columns")
    if isinstance(data, list) and isinstance(columns, list):  # pandas: split
        return (dict(zip(columns, row, strict=False)) for row in data)
    values = list(document.values())
    if values and all(isinstance(value, dict) for value in values) and (found := _by_label(document)):
        return found
    if (
        len(values) > 1
        and all(isinstance(value, list) for value in values)
        and not any(map(_is_table, values))
    ):
        return (dict(zip(document, row, strict=False)) for row in zip_longest(*values))  # columns of cells
    return _only_table(document) or [document]


def _by_label(document: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]] | None:
    """Records of an object of objects: columns of labelled cells (pandas: columns), or labelled records (index)."""
    inner: dict[str, None] = {}
    for value in document.values():
        inner.update(dict.fromkeys(value))
    if all(map(_is_label, document)) or not (all(map(_is_label, inner)) or len(inner) > len(document)):
        return [dict(value) for value in document.values()]
    return [{name: cells.get(label) for name, cells in document.items()} for label in inner]


def _is_label(key: str) -> bool:
    return key.isdecimal()


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


def _only_table(document: Mapping[str, Any], depth: int = 0) -> list[Any] | None:
    """The only array of objects within an envelope, such as {"status": "ok", "articles": [...]}."""
    tables = [value for value in document.values() if _is_table(value)]
    if not tables and depth < 2:
        inner = [_only_table(value, depth + 1) for value in document.values() if isinstance(value, dict)]
        tables = [found for found in inner if found]
    return tables[0] if len(tables) == 1 else None


def main(what: str, memory_bytes: str, output_bytes: str) -> int:
    """Convert the standard input to the standard output. Returns the exit status: 2 for a refusal."""
    resource.setrlimit(resource.RLIMIT_AS, (int(memory_bytes), int(memory_bytes)))
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(output_bytes), int(output_bytes)))
    sys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", errors="replace", newline="")
    try:
        write_sheet() if what == "sheet" else write_records(what)
        sys.stdout.flush()
    except Refused as error:
        sys.stderr.write(str(error))
        return 2
    except (MemoryError, OSError):
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
