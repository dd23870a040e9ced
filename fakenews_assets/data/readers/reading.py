"""Opens a received file in any supported format.

The format is detected from the content, so a CSV file that is named `.gz` can be read. A fault in one record rejects
that record. A fault that makes the rest of the file doubtful raises `UnreadableFile`, so that no row is lost
silently.
"""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from fakenews_assets.data.readers.csv import CsvTable
from fakenews_assets.data.readers.encoding import find_encoding
from fakenews_assets.data.readers.jsonl import JsonLinesTable
from fakenews_assets.data.readers.parquet import PARQUET_MAGIC, ParquetTable
from fakenews_assets.data.readers.table import Table, UnreadableFile

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


@contextmanager
def open_table(path: Path) -> Iterator[Table]:
    """Open a CSV, JSON Lines or Parquet file (the first two also gzipped).

    Args:
        path: the file; it is only read.

    Raises:
        UnreadableFile: at once, or on reading the records.
    """
    with ExitStack() as open_files:
        file = open_files.enter_context(path.open("rb"))
        zipped = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
        file.seek(0)
        stream = open_files.enter_context(gzip.GzipFile(fileobj=file)) if zipped else file
        try:
            head = stream.read1(_HEAD_BYTES)  # unlike read, gives what precedes a cut
            _refuse_foreign(head)
            if head.startswith(PARQUET_MAGIC):
                if zipped:
                    raise UnreadableFile("a gzipped Parquet file: unpack it with `gunzip`")
                yield ParquetTable(path)
                return
            encoding = find_encoding(stream)
            stream.seek(0)
            text = open_files.enter_context(
                io.TextIOWrapper(stream, encoding=encoding.codec, errors=encoding.errors, newline="")
            )
            is_json = text.read(_HEAD_BYTES).lstrip().startswith("{")
            container = "gzip" if zipped else ""
            yield (JsonLinesTable if is_json else CsvTable)(text, encoding.name, container)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise UnreadableFile(
                f"the gzip stream is cut or damaged ({error}). Fetch the file again, and compare its size with the"
                " source's"
            ) from error


def _refuse_foreign(head: bytes) -> None:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text:
        raise UnreadableFile("the file is empty: it needs a header with a `title` column, and rows")
    for magic, advice in _FOREIGN:
        if text.startswith(magic):
            raise UnreadableFile(f"the file is {advice}")
