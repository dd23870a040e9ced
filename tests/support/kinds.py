"""One small table of news in every kind of file that people have, and files that are no table."""

import bz2
import csv
import gzip
import io
import json
import pickle
import sqlite3
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

import polars as pl

ROWS: Final = tuple(
    (
        f"Minister {n}, “the last”: café isn’t open",
        f'Text {n}; she said "no" | twice,\nand left – at once',
        n % 2,
    )
    for n in range(12)
)
"""Title, text and label: with every delimiter, quotes of two kinds, a line end, and letters that each encoding writes in
its own way."""
FLAT: Final = tuple((title, text.replace("\n", " "), label) for title, text, label in ROWS)
_HEADER: Final = ("title", "text", "label")
_RECORDS: Final[list[dict[str, Any]]] = [dict(zip(_HEADER, row, strict=True)) for row in ROWS]


@dataclass(frozen=True)
class Kind:
    """A file of a kind.

    Attributes:
        name: of the file.
        content: its bytes.
        rows: title, text and label of the rows that can be read.
        refusal: a regular expression that the error matches, if it is no table.
        served: whether `POST /predict_csv` takes it.
    """

    name: str
    content: bytes
    rows: Sequence[tuple[str, str, int]] = ROWS
    refusal: str = ""
    served: bool = True


def _csv(
    rows: Iterable[Sequence[Any]] = ROWS, header: Sequence[str] = _HEADER, end: str = "\n", **dialect: Any
) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=end, **dialect).writerows([header, *rows])
    return text.getvalue()


def zip_of(**members: bytes) -> bytes:
    """An archive; `__dot__` and `__slash__` in its names stand for these."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__dot__", ".").replace("__slash__", "/"), content)
    return packed.getvalue()


def xlsx(*sheets: Sequence[Sequence[Any]], distant_cell: str = "") -> bytes:
    """A workbook as Excel writes it, as far as cells go; one cell may stand far from the others."""
    kinds = "http://schemas.openxmlformats.org"
    main, relations = f"{kinds}/spreadsheetml/2006/main", f"{kinds}/officeDocument/2006/relationships"
    types = f"{kinds}/package/2006"
    names = [f"sheet{number}" for number in range(1, len(sheets) + 1)]
    links = "".join(
        f'<Relationship Id="{name}" Type="{relations}/worksheet" Target="worksheets/{name}.xml"/>'
        for name in names
    )
    listed = "".join(
        f'<sheet name="{name}" sheetId="{at}" r:id="{name}"/>' for at, name in enumerate(names, 1)
    )
    members = {
        "[Content_Types].xml": f'<Types xmlns="{types}/content-types"><Default Extension="xml"'
        ' ContentType="application/xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{types}/relationships"><Relationship Id="w"'
        f' Type="{relations}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{relations}"><sheets>{listed}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{types}/relationships">{links}</Relationships>',
    }
    for name, rows in zip(names, sheets, strict=True):
        lines = "".join(f"<row>{''.join(map(_cell, row))}</row>" for row in rows)
        if distant_cell:
            lines += f'<row r="1048576"><c r="{distant_cell}"><v>1</v></c></row>'
        members[f"xl/worksheets/{name}.xml"] = (
            f'<worksheet xmlns="{main}"><sheetData>{lines}</sheetData></worksheet>'
        )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


def _cell(value: Any) -> str:
    if isinstance(value, (int, float)):
        return f"<c><v>{value}</v></c>"
    return f'<c t="inlineStr"><is><t xml:space="preserve">{escape(value)}</t></is></c>' if value else "<c/>"


def _unsound_sheet() -> bytes:
    """A workbook whose cells name an entity that nobody defines."""
    with zipfile.ZipFile(io.BytesIO(xlsx([_HEADER, *ROWS]))) as sound:
        members = {name: sound.read(name).replace(b"</t>", b"&e;</t>") for name in sound.namelist()}
    return zip_of(**members)


def _parquet() -> bytes:
    file = io.BytesIO()
    pl.DataFrame(_RECORDS).write_parquet(file)
    return file.getvalue()


def _arrow() -> bytes:
    file = io.BytesIO()
    pl.DataFrame(_RECORDS).write_ipc(file)
    return file.getvalue()


def _sqlite() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "news.db"
        database = sqlite3.connect(path)
        database.execute("create table news (title text)")
        database.commit()
        database.close()
        return path.read_bytes()


def _by_column(record: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {name: {str(at): one[name] for at, one in enumerate(record)} for name in _HEADER}


def _lines(records: Iterable[Any]) -> bytes:
    return "".join(json.dumps(one) + "\n" for one in records).encode()


PLAIN: Final = _csv()
_QUOTED: Final = _csv(quoting=csv.QUOTE_ALL)
_NUMBERED: Final = [(f"{at}", *row) for at, row in enumerate(ROWS, 1)]
_BACKSLASHED: Final = _csv(quoting=csv.QUOTE_ALL, doublequote=False, escapechar="\\")
_ONE_LINE: Final = _csv(FLAT)
_SWALLOWED: Final = [*_ONE_LINE.splitlines(keepends=True)[:4], '"Quote opens, and never closes,1\n']
_SENTENCES: Final = [(f'"We vote {at}," he said', f'The "last" one, {at}', at % 2) for at in range(12)]
_COMMAS: Final = [(f"Title, {at}", "text, too", at % 2) for at in range(12)]
_NESTED: Final = [
    {**one, "source": {"id": None, "name": "Herald"}, "authors": ["A", "B"]} for one in _RECORDS
]

READ: Final = [
    # What CSV writers do.
    Kind("plain.csv", PLAIN.encode()),
    Kind("quoted.csv", _QUOTED.encode()),
    Kind("excel.csv", _csv(end="\r\n", delimiter=";").encode("utf-8-sig")),
    Kind("excel_sep.csv", ("sep=;\r\n" + _csv(end="\r\n", delimiter=";")).encode()),
    Kind("excel_unicode.csv", _csv(end="\r\n", delimiter="\t").encode("utf-16")),
    Kind("excel_blank_tail.csv", (PLAIN + ",,\n" * 60).encode()),
    Kind("excel_mac.csv", _csv(FLAT, end="\r").encode("mac_roman"), FLAT),
    Kind("tabs.tsv", _csv(delimiter="\t").encode()),
    Kind("sentences.tsv", "".join(f"{a}\t{b}\t{c}\n" for a, b, c in [_HEADER, *_SENTENCES]).encode(), _SENTENCES),
    Kind("pipes.csv", _csv(delimiter="|").encode()),
    Kind("space_after_comma.csv", _csv(FLAT, quoting=csv.QUOTE_ALL).replace('","', '", "').encode(), FLAT),
    Kind("backslashes.csv", _BACKSLASHED.encode()),
    Kind("single_quotes.csv", _csv(quoting=csv.QUOTE_ALL, quotechar="'").encode()),
    Kind("blank_lines.csv", ("\n\n" + PLAIN.replace("left – at once", "left – at once") + "\n\n").encode()),
    Kind("report.csv", ("News of the week,,\nmade on Monday,,\n" + PLAIN).encode()),
    Kind("comments.csv", ("# made on Monday\n# by a robot\n" + PLAIN).encode()),
    Kind("r_row_names.csv", _csv(_NUMBERED).encode()),
    Kind("trailing_delimiter.csv", "".join(f"{line},\n" for line in _ONE_LINE.splitlines()).encode(), FLAT),
    Kind("pandas_index.csv", _csv([(at, *row) for at, row in enumerate(ROWS)], ("", *_HEADER)).encode()),
    Kind("stray_quote.csv", "".join([*_SWALLOWED, *_ONE_LINE.splitlines(keepends=True)[4:]]).encode(), FLAT),
    Kind("one_comma_in_each.csv", _csv(_COMMAS, delimiter=";").encode(), _COMMAS),
    Kind("headers_of_two_files.csv", (_csv(ROWS[:6]) + _csv(ROWS[6:])).encode()),
    Kind("padded.csv", (PLAIN + "\x1a" + "\0" * 99).encode()),
    # Encodings.
    Kind("windows.csv", PLAIN.encode("cp1252")),
    Kind("windows_in_part.csv", _csv(ROWS[:6]).encode() + _csv(ROWS[6:])[17:].encode("cp1252")),
    Kind("utf16.csv", PLAIN.encode("utf-16-le")),
    Kind("utf32.csv", PLAIN.encode("utf-32")),
    # JSON as people write it.
    Kind("lines.jsonl", _lines(_RECORDS)),
    Kind("array.json", json.dumps(_RECORDS).encode()),
    Kind("pretty.json", json.dumps(_RECORDS, indent=2).encode("utf-8-sig")),
    Kind("one_after_another.json", "\n".join(json.dumps(one, indent=2) for one in _RECORDS).encode()),
    Kind("pandas_columns.json", json.dumps(_by_column(_RECORDS)).encode()),
    Kind("pandas_records.json", json.dumps(_RECORDS, ensure_ascii=False).encode()),
    Kind("pandas_index.json", json.dumps({str(at): one for at, one in enumerate(_RECORDS)}).encode()),
    Kind("pandas_split.json", json.dumps({"columns": _HEADER, "index": [*range(12)], "data": ROWS}).encode()),
    Kind("pandas_table.json", json.dumps({"schema": {"fields": []}, "data": _RECORDS}).encode()),
    Kind("columns.json", json.dumps({name: [one[name] for one in _RECORDS] for name in _HEADER}).encode()),
    Kind("news_api.json", json.dumps({"status": "ok", "totalResults": 12, "articles": _NESTED}).encode()),
    Kind("nested.jsonl", _lines(_NESTED)),
    # Containers.
    Kind("packed.csv.gz", gzip.compress(PLAIN.encode())),
    Kind("gz_by_another_name.csv", gzip.compress(PLAIN.encode())),
    Kind("packed.csv.bz2", bz2.compress(PLAIN.encode("cp1252"))),
    Kind("kaggle.zip", zip_of(news__dot__csv=PLAIN.encode())),
    Kind(
        "mac.zip",
        zip_of(
            news__slash__news__dot__csv=PLAIN.encode(),
            __MACOSX__slash__news__slash__news__dot__csv=b"\0\5",
            README__dot__txt=b"About",
        ),
    ),
    Kind("gzip_in_zip.zip", zip_of(news__dot__csv__dot__gz=gzip.compress(PLAIN.encode()))),
    Kind("workbook.xlsx", xlsx([_HEADER, *ROWS])),
    Kind("workbook_with_empty_sheets.xlsx", xlsx([], [("",)], [_HEADER, *ROWS], [])),
    Kind("report.xlsx", xlsx([("News of the week",), (), _HEADER, *ROWS])),
    Kind("workbook.zip", zip_of(news__dot__xlsx=xlsx([_HEADER, *ROWS]))),
    Kind("news.parquet", _parquet(), served=False),
    Kind("parquet.zip", zip_of(news__dot__parquet=_parquet()), served=False),
]  # fmt: skip
"""Files with the rows of `ROWS`, or of `FLAT`."""

REFUSED: Final = [
    Kind("feather.csv", _arrow(), refusal="Arrow"),
    Kind("pickle.csv", pickle.dumps(_RECORDS), refusal="pickle"),
    Kind("pointer.csv", b"version https://git-lfs.github.com/spec/v1\noid sha256:70da\nsize 9\n", refusal="git lfs pull"),
    Kind("page.csv", b"<!DOCTYPE html>\n<title>Log in</title>", refusal="HTML"),
    Kind("feed.csv", b"\xef\xbb\xbf<?xml version='1.0'?><rss/>", refusal="XML page"),
    Kind("paper.csv", b"%PDF-1.7\n\xe2\xe3", refusal="PDF"),
    Kind("image.csv", b"\x89PNG\r\n\x1a\n\0\0", refusal="image"),
    Kind("database.csv", _sqlite(), refusal="SQLite"),
    Kind("dump.csv", b"-- MySQL dump 10.13\nCREATE TABLE news;\n", refusal="SQL dump"),
    Kind("document.csv", b"{\\rtf1\\ansi title}", refusal="RTF"),
    Kind("packed.csv.zst", b"\x28\xb5\x2f\xfdrest", refusal="zstd -d"),
    Kind("packed.csv.xz", b"\xfd7zXZ\0rest", refusal="unxz"),
    Kind("packed.csv.7z", b"7z\xbc\xaf\x27\x1crest", refusal="7z"),
    Kind("noise.csv", bytes(range(256)) * 20, refusal="binary data"),
    Kind("two.zip", zip_of(True__dot__csv=b"title\nA\n", Fake__dot__csv=b"title\nB\n"), refusal="'True.csv', 'Fake.csv'"),
    Kind("photos.zip", zip_of(a__dot__png=b"\x89PNG", b__dot__png=b"\x89PNG"), refusal="no table"),
    Kind("letter.csv", zip_of(word__slash__document__dot__xml=b"<w/>"), refusal="Word"),
    Kind("cut.zip", zip_of(news__dot__csv=PLAIN.encode())[:-30], refusal="cut or damaged"),
    Kind("cut.csv.gz", gzip.compress(PLAIN.encode())[:-30], refusal="cut or damaged"),
    Kind("two_sheets.xlsx", xlsx([_HEADER, *ROWS[:6]], [_HEADER, *ROWS[6:]]), refusal="several sheets: 'sheet1'"),
    Kind("cut.xlsx", xlsx([_HEADER, *ROWS])[:-30], refusal="cut or damaged"),
    Kind("entities.xlsx", _unsound_sheet(), refusal="not a sound spreadsheet"),
    Kind("old.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, refusal="not a sound spreadsheet"),
    Kind("empty.csv", b"\n", refusal="empty"),
    Kind("header.csv", b"title,text\n", refusal="a header and no rows"),
    Kind("two_titles.csv", b"title,text,Title\nA,B,C\n", refusal="names `title` 2 times"),
    Kind("no_title.csv", b"id,body\n1,B\n", refusal="no `title` column; columns found: 'id', 'body'"),
    Kind("values.json", json.dumps(ROWS).encode(), refusal="holds no objects"),
    Kind("broken.json", b'[{"title": "A"}, {"title" "B"}]', refusal="Expecting ':' delimiter at line 1, column 27"),
    Kind("digits.json", b'[{"title": ' + b"1" * 5000 + b"}]", refusal="a number of more than 4,300 digits"),
    Kind("error.json", b'{"message": "Not Found"}', refusal="columns found: 'message'"),
    Kind("broken.jsonl", b"{'title': 'A'}\n{'title': 'B'}\n", refusal="property name enclosed in double quotes"),
    Kind("open_quote.csv", b'title,text\nA,a\nB,"b\n' + b"prose\n" * 50, refusal="begins at line 3 runs to the end"),
]  # fmt: skip
"""Files that are refused as a whole."""
