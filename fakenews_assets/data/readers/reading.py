"""Reads the rows of a received file in any supported format.

The format is detected from the content, so a CSV file that is named `.gz` can be read. A fault in one record rejects
that record. A fault that makes the rest of the file doubtful raises `UnreadableFile`, so that no row is lost
silently.
"""

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path

from fakenews_assets.data.readers.chunks import ChunkBuilder, RawChunk, UnreadableFile
from fakenews_assets.data.readers.csv import read_csv
from fakenews_assets.data.readers.jsonl import read_jsonl
from fakenews_assets.data.readers.lines import Lines
from fakenews_assets.data.readers.parquet import PARQUET_MAGIC, read_parquet

__all__ = ["RawChunk", "UnreadableFile", "read_raw"]

_GZIP_MAGIC = b"\x1f\x8b"
_HEAD_BYTES = 4096

_FOREIGN = (
    (b"PK\x03\x04", "a ZIP archive or a spreadsheet: unpack it, or save the sheet as CSV"),
    (b"\x28\xb5\x2f\xfd", "compressed with Zstandard: unpack it with `zstd -d`"),
    (b"BZh", "compressed with bzip2: unpack it with `bunzip2`"),
    (b"\xfd7zXZ\x00", "compressed with xz: unpack it with `unxz`"),
    (b"<", "an HTML or XML page, not a table: check that the address names the file itself"),
    (b"[", "a JSON array: write one object per line, for example with `jq -c '.[]'`"),
)
"""First bytes of files that are often sent by mistake, with advice for each."""


def read_raw(path: Path, chunk_rows: int = 100_000) -> Iterator[RawChunk]:
    """Read a CSV, JSON Lines or Parquet file (the first two also gzipped) chunk by chunk.

    Columns are found by name, whatever their case: `title` is required, the others are optional and may have the
    names that `COLUMNS` lists, and all others are ignored. Values arrive as text and as found, except that a value
    is null when it is empty or a word for a missing value, such as "nan" or "NULL", and that a label is stripped,
    and "1" where a float column wrote "1.0".

    Args:
        path: the file; it is only read.
        chunk_rows: most records in one chunk. A chunk also ends at 64 Mi characters.

    Yields:
        Chunks in file order. `row` counts the records of the file from 0, rejects included, so every
        number appears once in either table. Blank lines are not records.

    Raises:
        UnreadableFile: on reaching the fault, which may be after the first chunks: keep nothing of
            the file unless the iteration ends.
    """
    try:
        yield from _read(path, chunk_rows)
    except UnreadableFile as error:
        raise UnreadableFile(f"{path.name}: {error}") from error


def _read(path: Path, chunk_rows: int) -> Iterator[RawChunk]:
    with path.open("rb") as file:
        zipped = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
        file.seek(0)
        builder = ChunkBuilder(chunk_rows)
        try:
            with gzip.GzipFile(fileobj=file) if zipped else file as stream:
                head = stream.read1(_HEAD_BYTES)  # unlike read, gives what precedes a cut
                _refuse_foreign(head)
                if head.startswith(PARQUET_MAGIC):
                    if zipped:
                        raise UnreadableFile("a gzipped Parquet file: unpack it with `gunzip`")
                    yield from read_parquet(path, chunk_rows)
                    return
                stream.seek(0)
                is_json = head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")
                # Bytes that are not UTF-8 become lone surrogates, by which the builder knows their records.
                with io.TextIOWrapper(
                    stream, encoding="utf-8-sig", errors="surrogateescape", newline=""
                ) as text:
                    yield from (read_jsonl if is_json else read_csv)(Lines(text), builder)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise UnreadableFile(
                f"the gzip stream is cut or damaged ({error}); {builder.seen} rows were readable before "
                "that. Fetch the file again, and compare its size with the source's"
            ) from error


def _refuse_foreign(head: bytes) -> None:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text:
        raise UnreadableFile("the file is empty: it needs a header with a `title` column, and rows")
    if encoding := _wide_encoding(head):
        raise UnreadableFile(
            f"the file is {encoding}, not UTF-8: convert it with `iconv -f {encoding} -t UTF-8`, "
            "or save it again as UTF-8"
        )
    for magic, advice in _FOREIGN:
        if text.startswith(magic):
            raise UnreadableFile(f"the file is {advice}")


def _wide_encoding(head: bytes) -> str | None:
    """Name the UTF-16 or UTF-32 that the first bytes show, by mark or by the zeros beside ASCII."""
    if head.startswith((b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")):
        return "UTF-32"
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "UTF-16"
    even, odd = head[0:4:2], head[1:4:2]
    if odd == b"\0\0" and 0 not in even:
        return "UTF-16LE"
    if even == b"\0\0" and 0 not in odd:
        return "UTF-16BE"
    return None
