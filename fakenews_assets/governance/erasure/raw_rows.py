"""An article in the bytes as received: where it stands, and the same bytes without it.

Every other record stays as it is, byte by byte, and every record keeps its number and its line.
"""

import csv
import gzip
import io
import json
import re
from collections.abc import Collection, Iterator, Sequence, Set
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

import polars as pl

from fakenews_assets.data.columns import COLUMNS, plain_name
from fakenews_assets.data.mapping import BatchMapping
from fakenews_assets.data.preparation import TextPreparation
from fakenews_assets.data.raw_files import read_files
from fakenews_assets.data.readers.csv import read_header
from fakenews_assets.data.readers.lines import Lines
from fakenews_assets.data.readers.parquet import PARQUET_MAGIC
from fakenews_assets.data.schema import article_id
from fakenews_assets.governance.erasure.quoting import Wording

_GZIP_MAGIC = b"\x1f\x8b"
_MARK = "\ufeff"
_FIELDS = ("title", "text", "source", "url")
"""An address often quotes the title, and it may stand where a publisher is expected."""
_LINE_END = re.compile(r"\r\n|\r|\n")


def find_rows(
    files: Sequence[Path], mapping: BatchMapping, preparation: TextPreparation, article_ids: Collection[str]
) -> dict[int, str]:
    """Numbers and titles, as received, of the records of a batch that clean to an article.

    Raises:
        UnreadableFile: a file cannot be read to its end.
    """
    found: dict[int, str] = {}
    for chunk in read_files(files, mapping):
        prepared = preparation.apply(chunk.rows)
        ids = map(article_id, prepared["title"], prepared["text"])
        for row, title, one in zip(chunk.rows["row"], chunk.rows["title"], ids, strict=True):
            if one in article_ids:
                found[row] = title or ""
    return found


def find_torn_rows(path: Path, wording: Wording, known: Collection[int]) -> list[int]:
    """Numbers of the lines of a JSON Lines file that cannot be read and may hold an article.

    Args:
        path: a file of any format; of another one, none.
        wording: what the article says.
        known: numbers of records that are known to hold it.
    """
    if _is_parquet(path):
        return []
    with _opened(path) as text:
        if not _is_json(text):
            return []
        lines = (line for line in Lines(text) if line.strip())
        return [
            number
            for number, line in enumerate(lines)
            if not _is_readable(line) and (number in known or wording.stands_in_part_in(line))
        ]


def blank_rows(path: Path, rows: Collection[int], mapping: BatchMapping, target: Path) -> None:
    """Write a file anew with the title, text and addresses of some records empty.

    Args:
        path: CSV, JSON Lines (either may be gzipped) or Parquet.
        rows: numbers of the records.
        mapping: what was given for the batch.
        target: receives the file.
    """
    texts = {plain_name(mapping.columns[field]) for field in _FIELDS if field in mapping.columns}
    texts = texts.union(*(COLUMNS[field] for field in _FIELDS))
    if _is_parquet(path):
        table = pl.read_parquet(path)
        mine = pl.int_range(pl.len()).is_in(list(rows))
        held = [name for name in table.columns if plain_name(name) in texts]
        table.with_columns(
            pl.when(mine).then(pl.lit("", dtype=pl.String)).otherwise(name).alias(name) for name in held
        ).write_parquet(target)
        return
    with ExitStack() as open_files:
        text = open_files.enter_context(_opened(path))
        sink: BinaryIO | gzip.GzipFile = open_files.enter_context(target.open("wb"))
        if _head(path).startswith(_GZIP_MAGIC):
            sink = open_files.enter_context(gzip.GzipFile(fileobj=sink, mode="wb", mtime=0, filename=""))
        for piece in _without(text, rows, texts):
            sink.write(piece.encode("utf-8", "surrogateescape"))


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(len(PARQUET_MAGIC))


def _is_parquet(path: Path) -> bool:
    return _head(path) == PARQUET_MAGIC


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    """As the reader reads: bytes that are not UTF-8 pass through as lone surrogates."""
    with ExitStack() as open_files:
        source: BinaryIO | gzip.GzipFile = open_files.enter_context(path.open("rb"))
        if _head(path).startswith(_GZIP_MAGIC):
            source = open_files.enter_context(gzip.GzipFile(fileobj=source))
        yield open_files.enter_context(
            io.TextIOWrapper(source, encoding="utf-8", errors="surrogateescape", newline="")
        )


def _is_json(text: TextIO) -> bool:
    """Whether a text is JSON Lines; it is then read up to its byte-order mark, if it has one."""
    head = text.read(4096)
    text.seek(0)
    text.read(len(_MARK) if head.startswith(_MARK) else 0)
    return head.removeprefix(_MARK).lstrip().startswith("{")


def _without(text: TextIO, rows: Collection[int], texts: Set[str]) -> Iterator[str]:
    """The pieces of a text, some of its records blanked."""
    is_json = _is_json(text)
    if text.tell():
        yield _MARK
    yield from (_json_without if is_json else _csv_without)(Lines(text), rows, texts)


def _json_without(lines: Lines, rows: Collection[int], texts: Set[str]) -> Iterator[str]:
    number = 0
    for line in lines:
        lines.begin_record()
        if line.strip():
            yield _blank_object(line, texts) if number in rows else line
            number += 1
        else:
            yield line


def _is_readable(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _blank_object(line: str, texts: Set[str]) -> str:
    end = line[len(line.rstrip("\r\n")) :]
    if not _is_readable(line):
        return f"{{}}{end}"  # a record still, so that those behind it keep their numbers
    record = json.loads(line)
    blank = {name: "" if plain_name(name) in texts else value for name, value in record.items()}
    return json.dumps(blank, ensure_ascii=False) + end


def _csv_without(lines: Lines, rows: Collection[int], texts: Set[str]) -> Iterator[str]:
    """The records of `read_csv`, which counts them in the same way."""
    names, delimiter = read_header(lines)
    yield "".join(lines.record)
    held = [at for at, name in enumerate(names) if plain_name(name) in texts]
    records = csv.reader(lines, delimiter=delimiter, strict=True)
    number = 0
    while True:
        lines.begin_record()
        try:
            record = next(records)
        except StopIteration:
            yield "".join(lines.record)
            return
        except csv.Error:
            record = ["unreadable"]
        written = "".join(lines.record)
        if number in rows and record:
            # As many lines as before: what is refused further down is named by its line.
            for at in held:
                record[at] = "".join(_LINE_END.findall(record[at]))
            cells = io.StringIO()
            end = written[len(written.rstrip("\r\n")) :]
            csv.writer(cells, delimiter=delimiter, lineterminator=end).writerow(record)
            written = cells.getvalue()
        number += bool(record)
        yield written
