import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bentos.fakenews.tables import NotATable, answer_line, count_rows, read_rows

CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))


def sheet(rows: list[list[str]]) -> io.BytesIO:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return io.BytesIO(text.getvalue().encode())


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1))
def test_any_cells_are_read_in_order(cells: list[tuple[str, str]]):
    file = sheet([["Text", " TITLE "], *([text, title] for title, text in cells)])
    rows = list(read_rows(file))
    assert [(row.article.title, row.article.text) for row in rows] == cells
    assert [row.number for row in rows] == list(range(1, len(cells) + 1))
    assert all(bool(row.error) == (not row.article.title.strip()) for row in rows)
    assert count_rows(file, len(cells), len(cells)) == len(cells)


@given(st.lists(CELLS, min_size=1))
def test_no_cell_of_an_answer_begins_a_formula(cells: list[str]):
    (found,) = csv.reader(io.StringIO(answer_line(cells), newline=""))
    for cell, was in zip(found, cells, strict=True):
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
        assert cell.removeprefix("'") == was.removeprefix("'")


def test_numbers_are_no_formulas():
    assert answer_line([-1, "-1", 0.5, ""]) == "-1,'-1,0.5,\r\n"


def test_what_spreadsheets_write_is_read():
    (row,) = read_rows(io.BytesIO("\ufefftitle;x,text\r\nno,\r\n".replace(";x", "").encode()))
    assert row.article.title == "no"
    (welfake,) = read_rows(io.BytesIO(b",title,text,label\n7,A title,A text,1\n"))
    assert (welfake.article.title, welfake.article.text) == ("A title", "A text")


def test_limits():
    file = sheet([["title"], *(["x"] for _ in range(4))])
    assert count_rows(file, 4, 0) == 4
    with pytest.raises(NotATable, match="more than 3 rows"):
        count_rows(file, 3, 0)
    long = sheet([["title", "text"], ["x" * 1001, ""], ["x", "y" * 200_001], ["x", "y" * 200_000]])
    assert [row.error for row in read_rows(long)] == [
        "title longer than 1,000 characters",
        "text longer than 200,000 characters",
        "",
    ]


def test_empty_lines_and_faulty_rows_count():
    gaps = io.BytesIO(b"title\n\n\nx\n\r\n\n")
    assert count_rows(gaps, 5, 0) == 1
    assert [row.number for row in read_rows(gaps)] == [1]
    with pytest.raises(NotATable, match=r"more than 4 rows, counting empty lines"):
        count_rows(gaps, 4, 0)
    faulty = sheet([["title", "text"], ["x", ""], ["", "y"], ["x", ""], [" ", ""]])
    assert count_rows(faulty, 9, 2) == 4
    with pytest.raises(NotATable, match=r"more than 1 invalid rows. The first is row 2: no title"):
        count_rows(faulty, 9, 1)


def test_a_row_without_end_is_refused():
    largest = sheet([["title", "text", "note"], ["x", "y", "z" * 520_000], ["x", "y" * 200_001, ""]])
    assert [row.error for row in read_rows(largest)] == ["", "text longer than 200,000 characters"]
    for row in (b"x," + b"y" * 600_000 + b"\n", b'x,"' + b"\n" * 600_000 + b"\n", b"," * 600_000):
        with pytest.raises(NotATable, match="a quote that is not closed"):
            list(read_rows(io.BytesIO(b"title,text\nfirst,\n" + row)))
