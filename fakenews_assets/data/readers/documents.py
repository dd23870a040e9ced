"""Turns documents that have to be held as a whole, spreadsheets and JSON, into lines of text."""

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from threading import Lock
from typing import BinaryIO, Final

from fakenews_assets.data.readers.table import Limits, UnreadableFile
from fakenews_assets.data.readers.unpacking import temporary_file

_PROGRAM: Final = Path(__file__).with_name("convert.py")
_REFUSED: Final = 2
_ONE_AT_A_TIME: Final = Lock()
"""Uploads that come together need the memory of one."""


def to_lines(file: BinaryIO, what: str, limits: Limits, open_files: ExitStack) -> BinaryIO:
    """Convert a document in a process of its own, with a limit of memory and of time.

    Args:
        file: the document, with a file descriptor.
        what: `sheet`, or the codec of a JSON document.
        limits: of the process.
        open_files: closes the result.

    Returns:
        CSV or JSON Lines in UTF-8.

    Raises:
        UnreadableFile: it holds no table, is damaged, or needs more memory or time.
    """
    file.flush()
    file.seek(0)
    lines = temporary_file(open_files)
    bounds = (limits.document_memory, limits.unpacked_bytes)
    try:
        with _ONE_AT_A_TIME:
            done = subprocess.run(
                [sys.executable, "-P", str(_PROGRAM), what, *map(str, bounds)],
                stdin=file.fileno(),
                stdout=lines,
                stderr=subprocess.PIPE,
                timeout=limits.document_seconds,
                check=False,
            )
    except subprocess.TimeoutExpired as error:
        raise UnreadableFile(_too_large(what, f"more than {limits.document_seconds} s")) from error
    if done.returncode == _REFUSED:
        raise UnreadableFile(done.stderr.decode("utf-8", "replace"))
    if done.returncode:
        raise UnreadableFile(
            _too_large(what, f"more than {limits.document_memory // 2**20:,} MiB of memory or room")
        )
    return lines


def _too_large(what: str, needs: str) -> str:
    if what == "sheet":
        return f"the spreadsheet needs {needs} to read, or is damaged: save the sheet as CSV"
    return (
        f"the JSON document needs {needs} to read: write one object per line, for example with `jq -c '.[]'`"
    )
