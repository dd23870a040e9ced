"""An article in the bytes as received: where it stands, and the same file without it.

Every other record of a text stays as it is, byte by byte, and every record keeps its number and its line. A spreadsheet
becomes CSV, a JSON document JSON Lines, and what was packed is gzipped.
"""

import gzip
import io
import json
import re
from collections.abc import Collection, Sequence, Set
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import polars as pl

from fakenews_assets.data.fields.columns import COLUMNS, plain_name
from fakenews_assets.data.fields.mapping import BatchMapping
from fakenews_assets.data.readers.csv import CsvTable
from fakenews_assets.data.readers.jsonl import JsonLinesTable
from fakenews_assets.data.readers.parquet import ParquetTable
from fakenews_assets.data.readers.reading import open_table
from fakenews_assets.data.readers.table import Piece, Record, Reject, TextTable
from fakenews_assets.data.receiving.raw_files import read_files
from fakenews_assets.data.schema import article_id
from fakenews_assets.data.text.preparation import TextPreparation
from fakenews_assets.governance.erasure.quoting import Wording

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
    with open_table(path) as table:
        if not isinstance(table, JsonLinesTable):
            return []
        return [
            one.number
            for one in table.records()
            if isinstance(one, Reject) and (one.number in known or wording.stands_in_part_in(one.text))
        ]


def blank_rows(path: Path, rows: Collection[int], mapping: BatchMapping, target: Path) -> None:
    """Write a file anew with the title, text and addresses of some records empty.

    Args:
        path: any file that can be read.
        rows: numbers of the records.
        mapping: what was given for the batch.
        target: receives the file.
    """
    texts = {plain_name(mapping.columns[field]) for field in _FIELDS if field in mapping.columns}
    texts = texts.union(*(COLUMNS[field] for field in _FIELDS))
    with open_table(path, header=mapping.header, exact=True) as table, ExitStack() as open_files:
        if isinstance(table, ParquetTable):
            _blank_parquet(table.path, rows, texts, target)
            return
        assert isinstance(table, TextTable)
        sink = open_files.enter_context(target.open("wb"))
        if table.dialect.container:
            sink = open_files.enter_context(gzip.GzipFile(fileobj=sink, mode="wb", mtime=0, filename=""))
        text = open_files.enter_context(
            io.TextIOWrapper(sink, encoding=table.codec, errors="surrogateescape", newline="")
        )
        for piece in table.pieces():
            asked = piece.found is not None and piece.found.number in rows
            text.write(_blanked(table, piece, texts) if asked else "".join(piece.lines))


def _blank_parquet(path: Path, rows: Collection[int], texts: Set[str], target: Path) -> None:
    table = pl.read_parquet(path)
    mine = pl.int_range(1, pl.len() + 1).is_in(list(rows))
    held = [name for name in table.columns if plain_name(name) in texts]
    blank = (pl.when(~mine).then(name).otherwise(_empty(table.schema[name])).alias(name) for name in held)
    table.with_columns(blank).write_parquet(target)


def _empty(dtype: pl.DataType) -> pl.Expr:
    return pl.lit("", dtype=pl.String) if dtype == pl.String else pl.lit(None)


def _blanked(table: TextTable, piece: Piece, texts: Set[str]) -> str:
    if isinstance(table, CsvTable):
        return _blank_line(table, piece, texts)
    return _blank_object("".join(piece.lines), texts, readable=isinstance(piece.found, Record))


def _blank_object(line: str, texts: Set[str], *, readable: bool) -> str:
    end = line[len(line.rstrip("\r\n")) :]
    if not readable:
        return f"{{}}{end}"  # a record still, so that those behind it keep their numbers
    blank = {
        name: _emptied(value) if _holds_text(name, texts) else value
        for name, value in json.loads(line).items()
    }
    return json.dumps(blank, ensure_ascii=False) + end


def _emptied(value: Any) -> Any:
    # An object keeps its names, which are those of columns.
    return {name: _emptied(one) for name, one in value.items()} if isinstance(value, dict) else ""


def _holds_text(name: str, texts: Set[str]) -> bool:
    """Whether a name, or that of a value within it, such as `source.name`, is one of a text."""
    plain = plain_name(name)
    return any(text == plain or text.startswith(f"{plain}.") for text in texts)


def _blank_line(table: CsvTable, piece: Piece, texts: Set[str]) -> str:
    """A record of as many lines as before: what is refused further down is named by its line."""
    assert isinstance(piece.found, Record)
    record = list(piece.found.cells)
    for at, name in enumerate(table.names):
        if plain_name(name) in texts:
            record[at] = "".join(_LINE_END.findall(record[at] or ""))
    cells = io.StringIO()
    last = piece.lines[-1]
    table.csv.writer(cells, last[len(last.rstrip("\r\n")) :]).writerow(record)
    return cells.getvalue()
