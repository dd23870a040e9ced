"""Columns of a table, and CSV of every shape."""

import csv
import io
import random
from pathlib import Path
from typing import Literal

import polars as pl
import pytest

from fakenews_assets.data.fields.columns import read_raw
from fakenews_assets.data.readers import table as reading_table
from fakenews_assets.data.readers.reading import open_table
from fakenews_assets.data.readers.table import Limits, UnreadableFile
from fakenews_assets.data.schema import Reason
from tests.support.reading import read, read_whole, titles


def test_welfake_header_with_duplicate_serials(news: Path) -> None:
    whole = read(news, ",title,text,label\n0,First,Body,1\n0,Second,,0\n")
    assert whole.rows.rows() == [
        (1, 2, "First", "Body", "1", None, None, None, None),
        (2, 3, "Second", None, "0", None, None, None, None),
    ]
    assert whole.rejects.is_empty()


def test_names_are_found_whatever_their_case_blanks_and_mark(news: Path) -> None:
    whole = read(
        news, '\ufeff" Title ",DATE,Publisher,LABEL,extra,LINK,Bias\nA,2020-01-02,Herald,1,x,//a.b,left\n'
    )
    assert whole.rows.rows() == [(1, 2, "A", None, "1", "Herald", "//a.b", "left", "2020-01-02")]


def test_the_plain_name_goes_before_its_aliases(news: Path) -> None:
    whole = read(news, "date,title,published_at\nyesterday,A,2020-01-02\n")
    assert whole.rows["published_at"].to_list() == ["2020-01-02"]


def test_labels_are_delivered_as_found(news: Path) -> None:
    labels = [" 1 ", "1.0", "0.00", "0.5", "FAKE", "true", "nan", "NaN", "None", "", "-1.0", "7"]
    whole = read(news, "title,label\n" + "".join(f"t,{label}\n" for label in labels))
    assert whole.rows["label"].to_list() == [
        " 1 ", "1.0", "0.00", "0.5", "FAKE", "true", None, None, None, None, "-1.0", "7",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "word", ["nan", "NaN", "None", "null", " NULL\t", "N/A", "na", "<NA>", "#N/A", "NaT", "-nan"]
)
def test_words_for_a_missing_value_are_null_in_every_format(tmp_path: Path, word: str) -> None:
    columns = ["title", "text", "label", "source", "url", "group", "published_at"]
    frame = pl.DataFrame([[word, "kept"] for _ in columns], schema=columns)
    frame.write_csv(tmp_path / "csv")
    frame.write_parquet(tmp_path / "parquet")
    frame.write_ndjson(tmp_path / "jsonl")
    for name in ("csv", "parquet", "jsonl"):
        rows = read_whole(tmp_path / name).rows.drop("row", "line").rows()
        assert rows == [(None,) * 7, ("kept",) * 7], name


@pytest.mark.parametrize(
    "title", ["None of the above", "Nan Goldin", "A null result", "nan nan", "N/A/B", "-", "0", "undefined"]
)
def test_only_a_whole_value_is_a_word_for_a_missing_one(news: Path, title: str) -> None:
    assert titles(read(news, f"title\n{title}\n")) == [title]


def test_missing_title_lists_the_columns_found(news: Path) -> None:
    with pytest.raises(
        UnreadableFile, match=r"^news\.csv: no `title` column; .*'claim', 'body'\. .*--column title=claim"
    ):
        read(news, "claim,body\nA,B\n")


def test_two_title_columns(news: Path) -> None:
    with pytest.raises(UnreadableFile, match="names `title` 2 times"):
        read(news, "title,text,Title\nA,B,C\n")


# Shapes of CSV


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_line_ends_and_delimiters(news: Path, end: str, delimiter: str) -> None:
    lines = ["title,text", "A,B", "", '"C,\n""D""",E']
    whole = read(news, end.join(line.replace(",", delimiter) for line in lines))
    assert whole.rows.select("title", "text").rows() == [("A", "B"), (f'C{delimiter}\n"D"', "E")]


def test_a_comma_is_not_a_delimiter_where_the_header_has_another(news: Path) -> None:
    assert titles(read(news, "title;text\nA, B, C;D\n")) == ["A, B, C"]


def test_embedded_newlines_and_quotes_round_trip(news: Path) -> None:
    rng = random.Random(5)
    expected = ["x" + "".join(rng.choices('ab ",;\n\r\t“é', k=rng.randrange(1, 30))) for _ in range(300)]
    with news.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([["title"], *([title] for title in expected)])
    assert titles(read_whole(news, chunk_rows=7)) == expected


def test_rows_with_too_few_or_too_many_columns(news: Path) -> None:
    whole = read(news, "title,text\nA\nB,b\nC,c,c\n")
    assert titles(whole) == ["B"]
    assert whole.rejects.rows() == [
        (1, 2, Reason.UNREADABLE_ROW, "fewer columns than the header names", 1, "A\n"),
        (
            3,
            4,
            Reason.UNREADABLE_ROW,
            "more columns than the header names: a delimiter in a field without quotes?",
            1,
            "C,c,c\n",
        ),
    ]


def test_a_comma_without_quotes_in_every_row_makes_no_column(news: Path) -> None:
    whole = read(news, "title,text\n" + "".join(f"A{n}, b,c\n" for n in range(9)))
    assert whole.rows.is_empty()
    assert len(whole.rejects) == 9


def test_records_swallowed_by_a_stray_quote_are_read(news: Path) -> None:
    whole = read(news, 'title,text\nA,a\nB,"b\nC,c\nD,"d"\nE,e\n')
    assert titles(whole) == ["A", "C", "D", "E"]
    assert whole.rejects.drop("reason").rows() == [
        (2, 3, "a quote opens a field and does not close", 1, 'B,"b\n')
    ]


@pytest.mark.parametrize("end", ["", 'Z,"z"\n'])
def test_a_quote_that_swallows_the_rest(news: Path, end: str) -> None:
    whole = read(news, 'title,text\nA,a\nB,"b\n' + "C,c\n" * 1000 + end)
    assert len(whole.rows) == 1001 + bool(end)
    assert whole.rejects["line"].to_list() == [3]


def test_a_record_whose_swallowed_lines_make_a_valid_field(news: Path) -> None:
    """Its lines have the labels of the records before; the two quotes alone would be those of a long text."""
    before = "".join(f"{' '.join('word' * (n % 15 + 1))},{'a text ' * n},{n % 2}\n" for n in range(30))
    whole = read(news, f'title,text,label\n{before}A,"a,1\nB,b,0\nC,c,1\nD,d,0\nE,e",1\nF,f,1\n')
    assert titles(whole)[30:] == ["B", "C", "D", "E", "F"]


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize(
    "columns", [["title", "text", "label"], ["title", "text", "source"], ["id", "title", "text", "label"]]
)
def test_paragraphs_with_as_many_commas_as_a_record_stay_a_text(
    news: Path, columns: list[str], quoting: Literal[0, 1]
) -> None:
    """From the first record on, before anything is known of the file."""
    line = ", ".join(["Officials said on Monday"] * len(columns)) + "\n"
    values = {"label": "1", "source": "wire.example"}
    lines = io.StringIO()
    writer = csv.writer(lines, quoting=quoting)
    writer.writerow(columns)
    for number in range(60):
        row = {"id": str(number), "title": f"Title {number}", "text": line * (3 + number % 9) + "The end"}
        writer.writerow([{**row, **values}[name] for name in columns])
    whole = read(news, lines.getvalue())
    assert titles(whole) == [f"Title {number}" for number in range(60)]
    assert whole.rejects.is_empty()


def test_lines_of_a_text_are_no_records(news: Path) -> None:
    poem = "Roses are red, violets blue,\n" * 4
    whole = read(news, f'title,text\nA,"{poem}"\nB,"{poem}said "x", y"\nC,c\n')
    assert titles(whole)[0] == "A"
    assert whole.rows["text"][0] == poem
    assert whole.rejects["line"][0] == 7
    assert whole.rejects["lines"][0] == 5


def test_a_quote_that_swallows_prose_names_where_it_began(news: Path) -> None:
    with pytest.raises(UnreadableFile, match="begins at line 3 runs to the end of the file: a quote"):
        read(news, 'title,text\nA,a\nB,"b\n' + "prose\n" * 1000)
    with (
        pytest.raises(UnreadableFile, match="begins at line 3 is longer than 50 lines: a quote"),
        open_table(news, Limits(record_lines=50)) as table,
    ):
        list(table.chunks())


def test_a_record_is_placed_by_its_first_line(news: Path) -> None:
    whole = read(news, '# of today\ntitle,text\n\nA,"a\na"\n' + "B,b\n" * 20 + "C,c,c\nD,d\n")
    assert whole.rows.select("row", "line", "title")[[0, 1, -1]].rows() == [
        (1, 4, "A"),
        (2, 6, "B"),
        (23, 27, "D"),
    ]
    assert whole.rejects.select("row", "line").rows() == [(22, 26)]


SENTENCES = [
    '"He voted for it."',
    '"Under this initiative," the officials said, funds are cut.',
    '"An open quote',
    'No one said "never".',
]


def test_quotes_of_sentences_between_tabs_quote_nothing(news: Path) -> None:
    """As in LIAR, whose fields were joined by tabs and nothing more."""
    whole = read(news, "label\ttitle\tspeaker\n" + "".join(f"1\t{one}\ta\n" for one in SENTENCES * 9))
    assert titles(whole) == SENTENCES * 9
    assert whole.rejects.is_empty()


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_quotes_that_a_writer_has_put_between_tabs(news: Path, quoting: Literal[0, 1]) -> None:
    with news.open("w", newline="") as file:
        writer = csv.writer(file, delimiter="\t", quoting=quoting)
        writer.writerows([["title", "label"], *([one, "1"] for one in SENTENCES)])
    assert titles(read_whole(news)) == SENTENCES


GROUPS = [
    ["Articles", "", "", "Verdicts", ""],
    ["News of March", "", "", "", ""],
    ["", "", "", "", "Checked"],
    ["Sheet1", "", "", "", ""],
]


@pytest.mark.parametrize("groups", GROUPS)
def test_a_row_of_groups_stands_above_the_header(news: Path, groups: list[str]) -> None:
    rows = [
        [f"Title {n}", f"A text {n}", "2020-01-02", "fake" if n % 2 else "real", "Ann"] for n in range(25)
    ]
    with news.open("w", newline="") as file:
        csv.writer(file).writerows([groups, ["title", "text", "date", "label", "by"], *rows])
    whole = read_whole(news)
    assert titles(whole) == [row[0] for row in rows]
    assert whole.rows["line"][0] == 3


def test_a_header_with_unnamed_columns_is_one(news: Path) -> None:
    rows = [
        ["A word", "wire", "fake"],
        *([f"Title {n}", "wire", "real" if n % 2 else "fake"] for n in range(25)),
    ]
    with news.open("w", newline="") as file:
        csv.writer(file).writerows([["title", "", "label"], *rows])
    assert titles(read_whole(news)) == [row[0] for row in rows]


def test_nul_bytes_do_not_break_parsing(news: Path) -> None:
    assert titles(read(news, b"title,label\nA\0B,1\n\0,0\n")) == ["A\0B", "\0"]


def test_a_title_of_20_mb_is_delivered(news: Path) -> None:
    whole = read(news, "title,label\nA,1\n" + "x" * 20_000_000 + ",0\nB,1\n")
    assert whole.rows["title"].str.len_bytes().to_list() == [1, 20_000_000, 1]


def test_a_field_beyond_the_limit(news: Path) -> None:
    line = "x" * 2**20
    with pytest.raises(UnreadableFile, match=r"begins at line 3 holds more than 67,108,864 characters"):
        read(news, 'title,label\nA,1\n"' + f"{line}\n" * 65 + '",0\n')


def test_a_line_beyond_the_limit(news: Path) -> None:
    with pytest.raises(UnreadableFile, match=r"line 2 is longer than 67,108,864 characters"):
        read(news, "title,label\n" + "x" * (2**26 + 1))


def test_a_chunk_of_long_articles_ends_early(news: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_table, "MAX_CHUNK_CHARS", 1000)
    news.write_text("title\n" + f"{'x' * 399}\n" * 7)
    assert [chunk.rows.height for chunk in read_raw(news)] == [3, 3, 1]


@pytest.mark.parametrize("chunk_rows", [1, 3, 10, 100])
def test_chunks_do_not_change_what_is_read(news: Path, chunk_rows: int) -> None:
    lines = [f"title {i},{i}" if i % 4 else "short" for i in range(10)]
    whole = read(news, "title,label\n" + "\n".join(lines), chunk_rows)
    assert whole.rows["row"].to_list() == [2, 3, 4, 6, 7, 8, 10]
    assert whole.rejects["row"].to_list() == [1, 5, 9]
