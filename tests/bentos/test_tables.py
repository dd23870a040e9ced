import csv
import gzip
import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from tempfile import TemporaryFile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bentos.fakenews.uploads.tables import HEADER, NotATable, Upload, harmless
from fakenews_assets.data.fields.missing import is_missing
from tests.support.kinds import xlsx, zip_of

CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
TITLES = CELLS.filter(str.strip)
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
Opener = Callable[..., Upload]


@pytest.fixture
def opened() -> Iterator[Opener]:
    with ExitStack() as files:
        yield partial(_opened, files)


def _opened(
    files: ExitStack, content: bytes | str, rows: int = 10_000, unpacked_bytes: int = 2**24
) -> Upload:
    file = files.enter_context(TemporaryFile())  # noqa: SIM115 - it is closed there
    file.write(content if isinstance(content, bytes) else content.encode())
    return files.enter_context(Upload(file, rows, unpacked_bytes))  # pyright: ignore[reportArgumentType]


def sheet(rows: list[list[str]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.lists(st.tuples(CELLS, TITLES), min_size=1))
def test_any_cells_are_read_in_order(opened: Opener, cells: list[tuple[str, str]]):
    upload = opened(sheet([["Text", " TITLE ", "id"], *([text, title, "7"] for text, title in cells)]))
    rows = list(upload.rows())
    assert [row.article.title for row in rows] == [title for _, title in cells]
    assert [row.article.text for row in rows if row.article.text] == [
        text for text, _ in cells if not is_missing(text.strip())
    ]
    assert [row.number for row in rows] == list(range(1, len(cells) + 1))
    assert {row.others for row in rows} == {("7",)}


@pytest.mark.parametrize(
    ("cell", "is_text"),
    [
        *((number, False) for number in ("-0.5", "+1", "-1,5", "-1.234,56", "-1e-7", "-.5", "+2.5E+10")),
        *(
            (formula, True)
            for formula in ("-1+1", "-1-1", "+1\t", "-", "-0x1F", "-1)", "-1e", "＋1", "-A1", "-1\n")
        ),
    ],
)
def test_a_number_with_a_sign_is_no_formula(cell: str, is_text: bool):
    assert harmless(cell) == (f"'{cell}" if is_text else cell)


@given(st.lists(CELLS, min_size=1))
def test_no_cell_of_an_answer_begins_a_formula(cells: list[str]):
    for cell, was in zip(map(harmless, cells), cells, strict=True):
        assert not cell.startswith(FORMULA) or set(cell[1:]) <= set("0123456789.,eE+-")
        assert cell.removeprefix("'") == was.removeprefix("'")


@pytest.mark.parametrize("sign", FORMULA)
def test_a_formula_becomes_text(opened: Opener, sign: str):
    line = opened("title\nx\n").answer_line([f"{sign}1+1"])
    assert next(csv.reader(io.StringIO(line, newline=""))) == [f"'{sign}1+1"]


def test_numbers_are_no_formulas(opened: Opener):
    assert opened("title\nx\n").answer_line([-1, "-1", 0.5, "-A1", ""]) == "-1,-1,0.5,'-A1,\r\n"


@pytest.mark.parametrize(
    ("content", "mark", "delimiter"),
    [
        ("title,text\nx,y\n", "", ","),
        ("title|text\nx|y\n", "", "|"),
        ("title;text\nx;y\n", "\ufeff", ";"),
        ("\ufefftitle,text\nx,y\n", "\ufeff", ","),
        ("title\ttext\nx\ty\n".encode("utf-16"), "\ufeff", "\t"),
        (xlsx([("title", "text"), ("x", "y")]), "\ufeff", ","),
        ('{"title": "x", "text": "y"}\n{"title": "x"}', "", ","),
    ],
)
def test_answers_are_written_as_the_upload_was(
    opened: Opener, content: str | bytes, mark: str, delimiter: str
):
    upload = opened(content)
    assert upload.mark == mark
    assert upload.answer_line(["a", "b"]) == f"a{delimiter}b\r\n"


def test_no_two_columns_have_the_same_name(opened: Opener):
    header = opened("uploaded_label,title,label\n1,A title,0\n").header
    assert header == (*HEADER, "uploaded_label", "uploaded_uploaded_label")


def test_the_other_columns_come_back(opened: Opener):
    upload = opened(",id,title,url,text,label\n0,7,A title,//a.b,A text,1\n1,8,,,,\n")
    assert upload.header == (*HEADER, "id", "url", "uploaded_label")
    first, second = upload.rows()
    assert (first.article.title, first.article.text, first.others) == (
        "A title",
        "A text",
        ("7", "//a.b", "1"),
    )
    assert (second.error, second.others) == ("no title", ("8", "", ""))


def test_limits(opened: Opener):
    content = sheet([["title"], *(["x"] for _ in range(4))])
    assert opened(content, rows=4).count_rows(0) == 4
    with pytest.raises(NotATable, match="more than 3 rows"):
        opened(content, rows=3).count_rows(0)
    long = opened(sheet([["title", "text"], ["x" * 1001, ""], ["x", "y" * 200_001], ["x", "y" * 200_000]]))
    assert [row.error for row in long.rows()] == [
        "title longer than 1,000 characters",
        "text longer than 200,000 characters",
        "",
    ]


def test_empty_lines_and_faulty_rows_count(opened: Opener):
    gaps = "title,text\n\n\nx,\n\r\n,\n"
    assert opened(gaps, rows=5).count_rows(0) == 1
    assert [row.number for row in opened(gaps).rows()] == [1]
    with pytest.raises(NotATable, match=r"more than 4 rows, counting empty lines"):
        opened(gaps, rows=4).count_rows(0)
    faulty = opened(sheet([["title", "text"], ["x", ""], ["", "y"], ["x", ""], ["nan", "z"]]))
    assert faulty.count_rows(2) == 4
    with pytest.raises(NotATable, match=r"more than 1 invalid rows. The first is row 2: no title"):
        faulty.count_rows(1)


def test_rows_that_cannot_be_read_keep_their_place(opened: Opener):
    rows = list(opened('title,text\nA,a\nB,b,c\nC,"c\nD,d\nE,"e"\n').rows())
    assert [(row.number, row.article.title, row.error) for row in rows] == [
        (1, "A", ""),
        (2, "", "line 3: more columns than the header names: a delimiter in a field without quotes?"),
        (3, "", "line 4: a quote opens a field and does not close"),
        (4, "D", ""),
        (5, "E", ""),
    ]


def test_a_row_without_end_is_refused(opened: Opener):
    largest = opened(sheet([["title", "text", "note"], ["x", "y", "z" * 520_000], ["x", "y" * 200_001, ""]]))
    assert [row.error for row in largest.rows()] == ["", "text longer than 200,000 characters"]
    for row, words in (
        ('x,"' + "\n" * 600_000 + "\n", "a quote that opens there is probably never closed"),
        ('x,"' + "y\n" * 300_000 + "\n", "a quote that opens there is probably never closed"),
    ):
        with pytest.raises(NotATable, match=words):
            list(opened("title,text\nfirst,\n" + row).rows())


@pytest.mark.parametrize(
    "text",
    [
        "y" * 600_000,
        "y" * 3_000_000,
        '"' + ("words " * 100 + "\n") * 1_000 + '"',
        '"' + "y" * 600_000 + '\n""z"""\n',
    ],
    ids=["one line", "of many parts", "many lines", "a line, then another"],
)
def test_a_row_that_is_too_long_is_answered_with_an_error(opened: Opener, text: str):
    rows = list(opened(f"title,text\nfirst,\nlong,{text}\nlast,\n").rows())
    assert [(row.number, row.article.title, row.error) for row in rows] == [
        (1, "first", ""),
        (2, "", "line 3: longer than 524,288 characters"),
        (3, "last", ""),
    ]


def test_a_json_line_that_is_too_long_is_answered_with_an_error(opened: Opener):
    lines = [f'{{"title": "{title}"}}\n' for title in ("first", "y" * 1_200_000, "last")]
    rows = list(opened("".join(lines)).rows())
    assert [(row.article.title, row.error) for row in rows] == [
        ("first", ""),
        ("", "line 2: longer than 524,288 characters"),
        ("last", ""),
    ]


@pytest.mark.parametrize("packing", ["gzip", "zip", "workbook"])
def test_what_unpacks_to_too_much_is_refused(opened: Opener, packing: str):
    table = "title\n" + "x" * 100 + "\n" + "y\n" * 2**20
    if packing == "gzip":
        content = gzip.compress(table.encode())
    elif packing == "zip":
        content = zip_of(news__dot__csv=table.encode())
    else:
        content = xlsx([["title"], *(["x" * 1000] for _ in range(3000))])
    with pytest.raises(NotATable, match=r"more than 1 MiB|memory or room"):
        opened(content, rows=10**9, unpacked_bytes=2**20)


def test_a_sheet_of_one_distant_cell_is_refused(opened: Opener):
    with pytest.raises(NotATable, match="MiB of memory"):
        opened(xlsx([["title"], ["x"]], distant_cell="XFD1048576"))
