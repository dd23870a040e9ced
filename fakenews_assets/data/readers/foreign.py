"""Names files that hold no table that can be read here, by their first bytes, with the next step for each."""

import codecs
from typing import Final

from fakenews_assets.data.readers.table import UnreadableFile

HEAD_BYTES: Final = 4096
_TAR_MAGIC: Final = slice(257, 262)
_CONTROL: Final = bytes(set(range(32)) - set(b"\t\n\r\f\x1b"))
_CONTROL_SHARE: Final = 0.02

_FETCH: Final = "check that the address names the file itself"
_PANDAS: Final = "read it with pandas and write it with `DataFrame.to_parquet`"
_MAGIC: Final = (
    (b"version https://git-lfs.github.com/spec", "a Git LFS pointer, not the data: run `git lfs pull` first"),
    (b"ARROW1", "an Arrow (Feather) file: write it with `pl.read_ipc(FILE).write_parquet(...)`"),
    (b"FEA1", f"a Feather file of version 1: {_PANDAS}"),
    (b"ORC", f"an ORC file: {_PANDAS}"),
    (b"Obj\x01", "an Avro file: write it as Parquet or CSV"),
    (b"\x89HDF", f"an HDF5 file: {_PANDAS}"),
    (b"\x93NUMPY", "a NumPy array: write it as CSV, with column names"),
    (b"SQLite format 3\0", "an SQLite database: export the table as CSV, `sqlite3 -header -csv FILE 'select * from ...'`"),
    (b"RDX", "an R data file: write it with `write.csv` or `arrow::write_parquet`"),
    (b"$FL2", f"an SPSS file: {_PANDAS}"),
    (b"\x28\xb5\x2f\xfd", "compressed with Zstandard: unpack it with `zstd -d`"),
    (b"\xfd7zXZ\0", "compressed with xz: unpack it with `unxz`"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it"),
    (b"Rar!\x1a\x07", "a RAR archive: unpack it"),
    (b"%PDF", "a PDF document, not a table: export the table as CSV from where it was made"),
    (b"{\\rtf", "an RTF document, not a table: save the table as CSV"),
    (b"\x89PNG", "an image (PNG), not a table"),
    (b"\xff\xd8\xff", "an image (JPEG), not a table"),
    (b"GIF8", "an image (GIF), not a table"),
    (b"II*\0", "an image (TIFF), not a table"),
    (b"RIFF", "an image or a recording (RIFF), not a table"),
    (b"\x7fELF", "a program, not a table"),
)  # fmt: skip
"""First bytes of files that are sent by mistake, what they are, and what to do."""

_SQL: Final = ("-- mysql dump", "-- mariadb dump", "-- phpmyadmin", "-- postgresql database dump", "--\n-- postgresql", "create table", "insert into", "pragma foreign_keys", "begin transaction")  # fmt: skip


def refuse_foreign(head: bytes) -> None:
    """Raise UnreadableFile if the first bytes of a file belong to none that can be read."""
    for magic, what in _MAGIC:
        if head.startswith(magic):
            raise UnreadableFile(f"the file is {what}")
    if head[_TAR_MAGIC] == b"ustar":
        raise UnreadableFile("the file is a tar archive: unpack it with `tar -xf`, and name the table in it")
    if head[:1] == b"\x80" and head[1:2] <= b"\x05":
        raise UnreadableFile(
            "the file is a Python pickle, which can run code when it is opened: where you trust it, write it with"
            " `pd.read_pickle(FILE).to_parquet(...)`"
        )
    text = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if not text:
        raise UnreadableFile("the file is empty: it needs a header and rows")
    if text.startswith(b"<"):
        raise UnreadableFile(f"the file is an HTML or XML page, not a table: {_FETCH}")
    if text.lower().decode("latin-1").startswith(_SQL):
        raise UnreadableFile("the file is an SQL dump: load it into a database, and export the table as CSV")


def refuse_binary(head: bytes) -> None:
    """Raise UnreadableFile if the first bytes of a text of one byte per character are none."""
    control = len(head) - len(head.translate(None, _CONTROL))
    if control > _CONTROL_SHARE * len(head) and (not _is_utf8(head) or control > len(head) / 3):
        raise UnreadableFile(
            "the file is binary data of an unknown kind, not a table: send CSV, JSON Lines or Parquet"
        )


def _is_utf8(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True
