"""What databases and R write: their escapes, missing values and row numbers."""

import json
from pathlib import Path

import polars as pl
import pytest

from fakenews_assets.data.fields.columns import read_raw


def read(folder: Path, content: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows and the rejects of a file."""
    path = folder / "news.txt"
    path.write_bytes(content.encode())
    (chunk,) = read_raw(path)
    return chunk.rows.select("title", "text"), chunk.rejects


@pytest.mark.parametrize("end", ["", "\\.\n"])
def test_a_copy_of_postgres_is_what_the_table_holds(tmp_path: Path, end: str) -> None:
    rows, rejects = read(
        tmp_path,
        "id\ttitle\ttext\n"
        '1\t"Quoted" words\tfirst\\nsecond\\tthird\n'
        "2\tC:\\\\new\\\\table\t\\N\n"
        f"3\tN\t\\\\N\n{end}",
    )
    assert rows.rows() == [
        ('"Quoted" words', "first\nsecond\tthird"),
        ("C:\\new\\table", None),
        ("N", None),
    ]
    assert rejects.is_empty()


def test_a_backslash_between_tabs_is_one_without_a_sign_of_a_database(tmp_path: Path) -> None:
    rows, _ = read(tmp_path, "title\ttext\nC:\\new\tone\nTwo\t\\two\n")
    assert rows.rows() == [("C:\\new", "one"), ("Two", "\\two")]


def test_a_table_of_mysql_has_missing_values_and_backslashes_of_its_own(tmp_path: Path) -> None:
    rows, rejects = read(
        tmp_path,
        'title,text\n"He said \\"no\\"",\\N\n"N","C:\\new \\\\ \\N"\n"Two","over\\\nlines"\n\\N,"A text"\n',
    )
    assert rows.rows() == [
        ('He said "no"', None),
        ("N", "C:\\new \\ \\N"),
        ("Two", "over\nlines"),
        (None, "A text"),
    ]
    assert rejects.is_empty()


def test_values_that_mongodb_wraps_in_their_types(tmp_path: Path) -> None:
    path = tmp_path / "news.jsonl"
    record = {
        "_id": {"$oid": "0f"},
        "title": "A title",
        "label": {"$numberInt": "1"},
        "published_at": {"$date": {"$numberLong": "1488622272000"}},
        "source": {"name": {"$literal": "wire"}, "$note": "kept"},
    }
    path.write_text(json.dumps(record))
    (chunk,) = read_raw(path)
    assert chunk.rows.row(0, named=True) | {"row": 0, "line": 0} == {
        "row": 0, "line": 0, "title": "A title", "text": None, "label": "1", "source": "wire", "url": None,
        "group": None, "published_at": "1488622272000",
    }  # fmt: skip


def test_row_numbers_of_r_have_no_name(tmp_path: Path) -> None:
    rows, rejects = read(tmp_path, "id,title,text\n1,a7,First,One\n2,a8,Second,Two\n")
    assert rows.rows() == [("First", "One"), ("Second", "Two")]
    assert rejects.is_empty()


def test_a_date_with_a_comma_is_not_taken_for_row_numbers_of_r(tmp_path: Path) -> None:
    rows, rejects = read(tmp_path, "id,title,date\n1,First,Jan 3, 2017\n2,Second,Jan 4, 2017\n")
    assert rows.is_empty()
    assert len(rejects) == 2
