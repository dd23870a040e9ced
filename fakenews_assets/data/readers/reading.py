"""Opens a received file in any supported format.

The format is detected from the content, so a CSV file that is named `.gz` can be read. A fault in one record rejects
that record. A fault that makes the rest of the file doubtful raises `UnreadableFile`, so that no row is lost
silently.
"""

import io
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

from fakenews_assets.data.readers.csv import CsvTable
from fakenews_assets.data.readers.documents import to_lines
from fakenews_assets.data.readers.encoding import Encoding, find_encoding
from fakenews_assets.data.readers.foreign import HEAD_BYTES, refuse_binary, refuse_foreign
from fakenews_assets.data.readers.jsonl import JsonLinesTable
from fakenews_assets.data.readers.parquet import PARQUET_MAGIC, ParquetTable
from fakenews_assets.data.readers.table import Dialect, Limits, Table, UnreadableFile
from fakenews_assets.data.readers.unpacking import unpack

INGESTION: Final = Limits()
"""Bounds what a person ingests."""
_OLE_MAGIC: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""An xls file, or another document of old Office versions."""
_UTF8: Final = Encoding("utf-8", "UTF-8")
_ESCAPED_LINES: Final = 100
_BLOCK: Final = 2**16
_JSON_LINES_AHEAD: Final = 20


@contextmanager
def open_table(
    source: Path | BinaryIO, limits: Limits = INGESTION, *, header: Sequence[str] = (), exact: bool = False
) -> Iterator[Table]:
    """Open a table: CSV, JSON Lines, a JSON document, Parquet or a spreadsheet; compressed, or alone in an archive, too.

    Args:
        source: the file, which is only read; one that is open needs a descriptor.
        limits: what it may take up.
        header: names of the columns of a CSV file without a header line.
        exact: give bytes that cannot be decoded as lone surrogates, so that they can be written again.

    Raises:
        UnreadableFile: at once, or on reading the records.
    """
    with ExitStack() as open_files:
        file = open_files.enter_context(source.open("rb")) if isinstance(source, Path) else source
        table, container, is_sheet = unpack(file, limits.unpacked_bytes, open_files)
        table.seek(0)
        head = table.read(HEAD_BYTES)
        if is_sheet or head.startswith(_OLE_MAGIC):
            lines = to_lines(table, "sheet", limits, open_files)
            text = _as_text(lines, _UTF8, exact, open_files)
            yield CsvTable(text, Dialect("spreadsheet", container=container), limits, [], header)
        elif head.startswith(PARQUET_MAGIC):
            if not limits.parquet:
                raise UnreadableFile(
                    "the file is Parquet, which is not read here: send CSV, JSON Lines or xlsx"
                )
            # Polars scans a path alone; the file may be one without a name.
            yield ParquetTable(
                Path(f"/proc/self/fd/{table.fileno()}"), Dialect("Parquet", container=container)
            )
        else:
            refuse_foreign(head)
            yield _open_text(table, head, container, limits, header, exact, open_files)


def _open_text(
    file: BinaryIO,
    head: bytes,
    container: str,
    limits: Limits,
    header: Sequence[str],
    exact: bool,
    open_files: ExitStack,
) -> Table:
    try:
        encoding = find_encoding(file)
    except UnreadableFile:
        refuse_binary(head)
        raise
    if not encoding.wide:
        refuse_binary(head)
    text = _as_text(file, encoding, exact, open_files)
    begin = text.read(HEAD_BYTES).lstrip()
    if not begin:
        raise UnreadableFile("the file is empty: it needs a header and rows")
    if begin[0] in "[{":
        if begin[0] == "[" or not _is_json_lines(text, limits):
            lines = to_lines(file, encoding.codec, limits, open_files)
            text = _as_text(lines, _UTF8, exact, open_files)
            return JsonLinesTable(text, Dialect("JSON", encoding.name, container=container), limits)
        return JsonLinesTable(text, Dialect("JSON Lines", encoding.name, container=container), limits)
    escaped = [line.decode(encoding.codec, "replace") for line in _escaped_lines(file, encoding.escapes)]
    return CsvTable(text, Dialect("CSV", encoding.name, container=container), limits, escaped, header)


def _as_text(file: BinaryIO, encoding: Encoding, exact: bool, open_files: ExitStack) -> io.TextIOWrapper:
    file.seek(0)
    errors = "surrogateescape" if exact and not encoding.wide else encoding.errors
    text = io.TextIOWrapper(file, encoding=encoding.codec, errors=errors, newline="")
    open_files.callback(text.detach)  # the file is closed by who opened it
    return text


def _is_json_lines(text: io.TextIOWrapper, limits: Limits) -> bool:
    """Whether one of the first lines is an object, and not the only line."""
    text.seek(0)
    ahead = (line for line in iter(lambda: text.readline(limits.record_chars), "") if line.strip())
    lines = list(islice(ahead, _JSON_LINES_AHEAD))
    return len(lines) > 1 and any(map(_is_object, lines))


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _escaped_lines(file: BinaryIO, blocks: Iterable[int]) -> list[bytes]:
    """Lines with a backslash before a quote."""
    found: list[bytes] = []
    for start in blocks:
        file.seek(start)
        if start:
            file.readline(_BLOCK)  # its beginning is missing
        found += [line for line in file.readlines(_BLOCK) if b'\\"' in line]
    return found[:_ESCAPED_LINES]
