"""Reads CSV: any of the usual delimiters and line ends, quoted fields with line ends in them."""

import csv
from collections.abc import Iterator

from fakenews_assets.data.readers.chunks import (
    ChunkBuilder,
    RawChunk,
    locate_columns,
    missing_title,
    plain_name,
)
from fakenews_assets.data.readers.lines import MAX_FIELD_CHARS, Lines, runaway
from fakenews_assets.data.schema import Reason

_DELIMITERS = (",", ";", "\t")


def read_csv(lines: Lines, builder: ChunkBuilder) -> Iterator[RawChunk]:
    """Read records after a header line.

    Quoting is taken strictly (RFC 4180): a lax reader joins records at a stray quote and goes on with the
    sum of them, a strict one sets it aside.

    Raises:
        UnreadableFile: if there is no usable header, no row, or a quote that is never closed.
    """
    # The limit belongs to the process, hence is only ever raised: lowering it again would fail another
    # thread in the middle of its own file.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_FIELD_CHARS))
    names, delimiter = read_header(lines)
    positions = locate_columns(names)
    records = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        lines.begin_record()
        try:
            record = next(records)
        except StopIteration:
            break
        except csv.Error as error:
            if lines.ended:
                raise runaway(lines, "runs to the end of the file") from error
            chars = sum(map(len, lines.record))
            if chars > MAX_FIELD_CHARS:
                raise runaway(lines, f"holds more than {MAX_FIELD_CHARS:,} characters") from error
            builder.reject(Reason.UNREADABLE_ROW, f"{_backend(lines)}: {error}", "".join(lines.record))
        else:
            if len(record) == len(names):
                builder.add(record, sum(map(len, lines.record)))
            elif record:
                detail = f"{_backend(lines)}: {len(record)} columns, the header has {len(names)}"
                builder.reject(Reason.UNREADABLE_ROW, detail, "".join(lines.record))
        if builder.full:
            yield builder.take(positions)
    yield builder.finish(positions)


def read_header(lines: Lines) -> tuple[list[str], str]:
    """Read the column names, and the delimiter: the one that sets a `title` column apart.

    Raises:
        UnreadableFile: if there is no such column.
    """
    line = next((line for line in lines if line.strip()), "")
    readings = {delimiter: next(csv.reader([line], delimiter=delimiter), []) for delimiter in _DELIMITERS}
    for delimiter, names in readings.items():
        if "title" in map(plain_name, names):
            return names, delimiter
    raise missing_title(max(readings.values(), key=len))


def _backend(lines: Lines) -> str:
    if len(lines.record) == 1:
        return f"line {lines.number}"
    return f"lines {lines.first_line} to {lines.number}"
