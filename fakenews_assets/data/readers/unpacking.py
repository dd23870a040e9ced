"""Takes the one table out of a compressed file or an archive."""

import bz2
import gzip
import os
import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import BufferedIOBase
from typing import IO, BinaryIO, Final, cast

from fakenews_assets.data.readers.table import UnreadableFile

_BLOCK: Final = 2**20
_LAYERS: Final = 3
"""Most containers within one another, such as a gzipped CSV file in a ZIP archive."""
_TABLES: Final = (
    ".csv",
    ".tsv",
    ".tab",
    ".psv",
    ".jsonl",
    ".ndjson",
    ".parquet",
    ".xlsx",
    ".xls",
    ".xlsb",
    ".ods",
)
_PERHAPS_TABLES: Final = (".txt", ".json")
_PACKED: Final = (".gz", ".bz2")
_ZIP_MAGIC: Final = b"PK\x03\x04"
_HIDDEN: Final = re.compile(r"(?:^|/)(?:__MACOSX/|\.|~\$|Thumbs\.db$|desktop\.ini$)")
"""What systems and editors leave in archives."""
_ZIP_END: Final = b"PK\x05\x06"
_ZIP_TAIL_BYTES: Final = 2**16 + 22
_ZIP_DIRECTORY_BYTES: Final = 2**20
_SPREADSHEETS: Final = ("xl/workbook.xml", "xl/workbook.bin")
_OPEN_DOCUMENT: Final = b"application/vnd.oasis.opendocument.spreadsheet"
_OTHER_ZIPS: Final = {
    "word/document.xml": "a Word document, not a table: save the table as CSV",
    "ppt/presentation.xml": "a PowerPoint presentation, not a table",
    "Index/Document.iwa": "an Apple Numbers file: export it as CSV or xlsx",
}


def unpack(file: BinaryIO, most_bytes: int, open_files: ExitStack) -> tuple[BinaryIO, str, bool]:
    """Unpack gzip, bzip2 and ZIP, one within another too.

    Args:
        file: what was received.
        most_bytes: a larger table is refused.
        open_files: closes temporary files.

    Returns:
        The table, what it lies in, and whether it is a spreadsheet.

    Raises:
        UnreadableFile: it is damaged or too large, or an archive with no table or several.
    """
    within: list[str] = []
    for _ in range(_LAYERS):
        file.seek(0)
        head = file.read(len(_ZIP_MAGIC))
        file.seek(0)
        if head == _ZIP_MAGIC:
            with _damage_named("ZIP archive"):
                _refuse_many_members(file)
                archive = open_files.enter_context(zipfile.ZipFile(file))
                if _is_spreadsheet(archive):
                    return file, ", ".join(within), True
                name = _one_table(archive)
                within.append(f"{name} in a ZIP archive")
                packed = archive.open(name)
        elif head.startswith(b"\x1f\x8b"):
            within.append("gzip")
            packed = gzip.GzipFile(fileobj=file, mode="rb")
        elif head.startswith(b"BZh"):
            within.append("bzip2")
            packed = bz2.BZ2File(file)
        else:
            break
        with _damage_named("ZIP archive" if head == _ZIP_MAGIC else f"{within[-1]} file"):
            file = _copied(packed, most_bytes, open_files)
    return file, ", ".join(within), False


@contextmanager
def _damage_named(what: str) -> Iterator[None]:
    try:
        yield
    except NotImplementedError as error:
        raise UnreadableFile(
            f"the {what} is packed in a way that is not supported ({error}): unpack it"
        ) from error
    except (EOFError, OSError, zlib.error, zipfile.BadZipFile) as error:
        raise UnreadableFile(
            f"the {what} is cut or damaged ({error}). Fetch the file again, and compare its size with the source's"
        ) from error


def temporary_file(open_files: ExitStack) -> BinaryIO:
    """An empty file without a name."""
    return cast(BinaryIO, open_files.enter_context(tempfile.TemporaryFile()))


def _copied(packed: IO[bytes] | BufferedIOBase, most_bytes: int, open_files: ExitStack) -> BinaryIO:
    file = temporary_file(open_files)
    while block := packed.read(_BLOCK):
        if file.tell() + len(block) > most_bytes:
            raise UnreadableFile(
                f"unpacked, the file has more than {most_bytes // 2**20:,} MiB: send it in parts"
            )
        file.write(block)
    file.flush()
    return file


def _refuse_many_members(file: BinaryIO) -> None:
    """Each takes up memory before its name is known."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _ZIP_TAIL_BYTES))
    tail = file.read()
    at = tail.rfind(_ZIP_END)
    if at >= 0 and int.from_bytes(tail[at + 12 : at + 16], "little") > _ZIP_DIRECTORY_BYTES:
        raise UnreadableFile(
            "the file is a ZIP archive with thousands of members: unpack it, and name the table in it"
        )
    file.seek(0)


def _is_spreadsheet(archive: zipfile.ZipFile) -> bool:
    names = set(archive.namelist())
    for name, what in _OTHER_ZIPS.items():
        if name in names:
            raise UnreadableFile(f"the file is {what}")
    return not names.isdisjoint(_SPREADSHEETS) or (
        "mimetype" in names and archive.read("mimetype")[:100].startswith(_OPEN_DOCUMENT)
    )


def _one_table(archive: zipfile.ZipFile) -> str:
    """The name of the only table among the members."""
    members = [one for one in archive.infolist() if not one.is_dir() and not _HIDDEN.search(one.filename)]
    tables = members if len(members) == 1 else []
    for suffixes in (_TABLES, _PERHAPS_TABLES):
        tables = tables or [one for one in members if _plain(one.filename).endswith(suffixes)]
    if len(tables) != 1:
        found = "several tables" if tables else "no table"
        listed = ", ".join(repr(one.filename[:80]) for one in (tables or members)[:10]) or "nothing"
        raise UnreadableFile(
            f"the file is a ZIP archive with {found}: it holds {listed}. Unpack it, and name the files that count"
        )
    if tables[0].flag_bits & 1:
        raise UnreadableFile("the file is a ZIP archive with a password: unpack it")
    return tables[0].filename


def _plain(name: str) -> str:
    name = name.lower()
    for suffix in _PACKED:
        name = name.removesuffix(suffix)
    return name
