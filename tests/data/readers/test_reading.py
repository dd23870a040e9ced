import csv
import gzip
import io
import json
import random
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal

import polars as pl
import pyarrow
import pytest
from pyarrow.parquet import write_table

from fakenews_assets.data.fields.columns import RawChunk, read_raw
from fakenews_assets.data.readers import encoding
from fakenews_assets.data.readers import table as reading_table
from fakenews_assets.data.readers.reading import open_table
from fakenews_assets.data.readers.table import Limits, UnreadableFile
from fakenews_assets.data.schema import QUARANTINE_SCHEMA, RAW_SCHEMA, Reason


def read(path: Path, content: bytes | str, chunk_rows: int = 100_000) -> RawChunk:
    """Write the content, read it back, and join the chunks."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_whole(path, chunk_rows)


def read_whole(path: Path, chunk_rows: int = 100_000) -> RawChunk:
    chunks = list(read_raw(path, chunk_rows=chunk_rows))
    assert all(chunk.rows.height + chunk.rejects.height <= chunk_rows for chunk in chunks)
    whole = RawChunk(
        pl.concat(c.rows for c in chunks),
        pl.concat(c.rejects for c in chunks),
        chunks[0].columns,
        sum(c.lines for c in chunks),
        chunks[0].read_as,
    )
    assert whole.rows.schema == RAW_SCHEMA
    assert whole.rejects.schema == QUARANTINE_SCHEMA
    numbers = sorted(whole.rows["row"].to_list() + whole.rejects["row"].to_list())
    assert numbers == list(range(1, len(numbers) + 1)), "each record is in one of the tables, once"
    return whole


def titles(chunk: RawChunk) -> list[str | None]:
    return chunk.rows["title"].to_list()


@pytest.fixture
def news(tmp_path: Path) -> Path:
    return tmp_path / "news.csv"


# Columns


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


# Nothing to read


@pytest.mark.parametrize("content", [b"", b" \r\n\n", b"\xef\xbb\xbf"])
def test_empty_file(news: Path, content: bytes) -> None:
    with pytest.raises(UnreadableFile, match="the file is empty"):
        read(news, content)


@pytest.mark.parametrize("content", ["title,text,label", "title,text,label\n", "title\n\n\n"])
def test_header_only(news: Path, content: str) -> None:
    with pytest.raises(UnreadableFile, match="a header and no rows"):
        read(news, content)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"PK\x03\x04rest", "ZIP"),
        (b"\x28\xb5\x2f\xfdrest", "zstd"),
        (b"\xfd7zXZ\x00rest", "unxz"),
        (b"<!doctype html><title>Log in</title>", "HTML"),
    ],
)
def test_other_formats_are_named(news: Path, content: bytes, named: str) -> None:
    with pytest.raises(UnreadableFile, match=named):
        read(news, content)


# Encodings


ENCODED = "title,text\nCafé,“a”\nNaïve,b\nD,it’s\n"


@pytest.mark.parametrize(
    "codec",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be", "cp1252", "mac_roman"],
)
def test_a_table_in_any_encoding(news: Path, codec: str) -> None:
    whole = read(news, ENCODED.encode(codec))
    assert whole.rows.select("title", "text").rows() == [("Café", "“a”"), ("Naïve", "b"), ("D", "it’s")]


@pytest.mark.parametrize(
    ("codec", "name", "title"),
    [
        ("cp1251", "Windows-1251", "Президент заявил, что мост откроют летом"),
        ("koi8_r", "KOI8-R", "Президент заявил, что мост откроют летом"),
        (
            "cp1250",
            "Windows-1250",
            "Prezydent powiedział, że świat źle się kończy, proszę państwa: żołnierze",
        ),
        ("cp866", "DOS 866", "Президент заявил, что мост откроют летом"),
        ("mac_cyrillic", "Mac Cyrillic", "Президент заявил, что мост откроют летом"),
        ("iso8859_5", "ISO 8859-5", "Президент заявил, что мост откроют летом"),
        (
            "iso8859_2",
            "ISO 8859-2",
            "Premier zapowiedział nową ustawę o podatkach, mieszkańcy Łodzi skarżą się na hałas",
        ),
        ("iso8859_6", "ISO 8859-6", "أعلن رئيس الوزراء عن ميزانية جديدة في القاهرة"),
        ("tis_620", "TIS-620", "นายกรัฐมนตรีประกาศงบประมาณใหม่ ชาวกรุงเทพร้องเรียนเรื่องเสียงดัง"),
        ("cp1254", "Windows-1254", "Cumhurbaşkanı köprünün yazın açılacağını söyledi, şehir"),
        ("shift_jis", "Shift JIS", "大統領は橋が夏に開通すると発表した。市民は歓迎している"),
        ("gb18030", "GB 18030", "总统宣布大桥将在夏天开放，市民表示欢迎"),
        ("cp1250", "Windows-1250", "Obyvatelé si stěžují na hluk, úřad chce most otevřít v létě"),
        ("cp1250", "Windows-1250", "Građani se žale na buku, općina će otvoriti češće čišćenje šetališta"),
        (
            "cp1250",
            "Windows-1250",
            "A polgármester szerint a hídról döntő gyűlés nyáron lesz, a lakók örülnek",
        ),
        ("cp1250", "Windows-1250", "Primarul anunţă că podul va fi deschis vara, cetăţenii sînt mulţumiţi"),
        ("cp1252", "Windows-1252", "Die Müllabfuhr in München fährt für größere Straßen"),
        (
            "cp1252",
            "Windows-1252",
            "Borgmesteren åbner broen til sommer, siger Søren Kjær og hans kæreste Thérèse",
        ),
        ("cp1252", "Windows-1252", "A câmara não aprovou as contas à região, e os cidadãos põem questões"),
        ("cp1252", "Windows-1252", "Così il sindaco aprirà il ponte lunedì, perché è più sicuro"),
        (
            "cp1252",
            "Windows-1252",
            "Žižek meets Thérèse, Søren and José at a café: “naïve”, says Müller, née Lefèvre",
        ),
    ],
)
def test_the_encoding_of_other_languages(news: Path, codec: str, name: str, title: str) -> None:
    news.write_bytes(("title\n" + f'"{title}"\n' * 20).encode(codec))
    with open_table(news) as table:
        assert table.dialect.encoding == name
    assert set(titles(read_whole(news))) == {title}


@pytest.mark.parametrize("character", ["é", "“", "😀", "\ud7ff", "\U0010ffff"])
@pytest.mark.parametrize("block", range(1, 9))
def test_blocks_may_cut_characters(
    news: Path, monkeypatch: pytest.MonkeyPatch, block: int, character: str
) -> None:
    monkeypatch.setattr(encoding, "_BLOCK", block)
    for text in (f"title\nab{character}c{character * 3}d", f"title\n{character}"):
        news.write_text(text, "utf-8")
        with news.open("rb") as file:
            assert encoding.find_encoding(file).name == "UTF-8"
            for cut in range(1, len(character.encode())):
                news.write_bytes(text.encode() + character.encode()[:cut])
                assert encoding.find_encoding(file).name != "UTF-8"


def test_lines_of_two_encodings_lose_no_row(news: Path) -> None:
    whole = read(news, b"title,text\nA,a\nCaf\xe9,b\nCaf\xc3\xa9,c\nD,\x93d\x94\nE,e\n")
    assert titles(whole) == ["A", "Café", "Café", "D", "E"]
    assert whole.rows["text"][3] == "“d”"


def test_a_text_whose_encoding_cannot_be_told_is_refused(news: Path) -> None:
    with pytest.raises(UnreadableFile, match=r"its encoding cannot be told.*iconv"):
        read(news, b"title\n" + bytes(range(0x80, 0x100)) * 20)


def test_a_cut_file_of_utf8_keeps_its_lines(news: Path) -> None:
    line = "总统宣布大桥将在夏天开放，市民表示欢迎"
    whole = read(news, ("title\n" + f"{line}\n" * 99 + line * 20).encode()[:-1])
    assert titles(whole)[:99] == [line] * 99


def test_lines_in_two_encodings_of_many_bytes_are_refused(news: Path) -> None:
    line = "总统宣布大桥将在夏天开放，市民表示欢迎\n"
    with pytest.raises(UnreadableFile, match="10 lines are UTF-8 and 10 probably GB 18030"):
        read(news, b"title\n" + line.encode("gb18030") * 10 + line.encode() * 10)


def test_a_reject_quotes_at_most_500_characters(news: Path) -> None:
    whole = read(news, b"title,text\nA,a\nB,b\n" + b"x" * 2000)
    assert whole.rejects["row"].to_list() == [3]
    assert whole.rejects["record"].str.len_chars().to_list() == [500]


# Gzip


def test_gzip_is_known_by_content_not_by_name(tmp_path: Path) -> None:
    table = b"title,label\nA,1\n"
    assert titles(read(tmp_path / "zipped.csv", gzip.compress(table))) == ["A"]
    assert titles(read(tmp_path / "plain.csv.gz", table)) == ["A"]
    assert titles(read(tmp_path / "two_members.csv.gz", gzip.compress(table) + gzip.compress(b"B,0\n"))) == [
        "A",
        "B",
    ]


@pytest.mark.parametrize("kept", [0.5, 0.99])
def test_truncated_gzip(news: Path, kept: float) -> None:
    rng = random.Random(1)
    packed = gzip.compress("".join(["title\n", *(f"{rng.random()}\n" for _ in range(9000))]).encode())
    with pytest.raises(UnreadableFile, match="the gzip file is cut or damaged"):
        read(news, packed[: int(kept * len(packed))])


def test_gzip_with_damage_in_the_middle(news: Path) -> None:
    rng = random.Random(1)
    packed = bytearray(
        gzip.compress("".join(["title\n", *(f"{rng.random()}\n" for _ in range(9000))]).encode())
    )
    packed[len(packed) // 2] ^= 0xFF
    with pytest.raises(UnreadableFile, match="cut or damaged"):
        read(news, bytes(packed))


# JSON Lines


def test_json_lines(tmp_path: Path) -> None:
    content = "\n".join(
        [
            '\ufeff{"Title": "A", "text": "a\\nb", "label": 1, "publisher": "Herald", "n": [1]}',
            "",
            '{"title": "Caf\\u00e9", "label": 1.0, "date": 1518739200}',
            '{"title": null, "label": NaN, "text": ""}',
            '{"title": "D", "label": true}',
            '{"text": "no title"}',
        ]
    )
    expected = [
        (1, 1, "A", "a\nb", "1", "Herald", None, None, None),
        (2, 3, "Café", None, "1.0", None, None, None, "1518739200"),
        (3, 4, None, None, None, None, None, None, None),
        (4, 5, "D", None, "true", None, None, None, None),
        (5, 6, None, "no title", None, None, None, None, None),
    ]
    assert read(tmp_path / "news.jsonl", content).rows.rows() == expected
    assert read(tmp_path / "news.ndjson.gz", gzip.compress(content.encode())).rows.rows() == expected


def test_bad_json_lines_are_set_aside(tmp_path: Path) -> None:
    lines = ['{"title": "A"}', '{"title": "B"', "[1, 2]", "null", "[" * 100_000]
    whole = read(tmp_path / "news.jsonl", "\n".join([*lines, '{"title": "D"}']), chunk_rows=2)
    assert titles(whole) == ["A", "D"]
    assert whole.rejects["reason"].unique().to_list() == [Reason.UNREADABLE_ROW]
    assert whole.rejects["record"].to_list()[:3] == [f"{line}\n" for line in lines[1:4]]
    assert [detail.split(": ", 1)[1] for detail in whole.rejects["detail"].to_list()[1:3]] == [
        "it is a JSON array",
        "it is a JSON null",
    ]


def test_half_a_character_of_an_escape_is_replaced(tmp_path: Path) -> None:
    lines = ['{"title": "A"}', '{"title": "\\ud83d"}', '{"title": "\\ud83d\\ude00"}']
    assert titles(read(tmp_path / "news.jsonl", "\n".join(lines))) == ["A", "\ufffd", "😀"]


def test_nested_values_of_json_become_columns(tmp_path: Path) -> None:
    record = {
        "title": {"rendered": "A"},
        "source": {"id": None, "name": "Herald"},
        "authors": ["B", "C"],
        "n": [1],
    }
    (tmp_path / "news.jsonl").write_text(json.dumps(record))
    with open_table(tmp_path / "news.jsonl") as table:
        assert table.names == ("title.rendered", "source.id", "source.name", "authors", "n")
        (chunk,) = table.chunks()
    assert chunk.values.rows() == [("A", None, "Herald", "B, C", "[1]")]


def test_json_lines_without_titles(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match=r"no `title` column; columns found: 'claim', 'body'"):
        read(tmp_path / "news.jsonl", '{"claim": "A"}\n{"claim": "A", "body": "a"}\n')


# Parquet


def test_parquet_of_any_type(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "": [0, 0, 0],
            "Title": pl.Series(["A", "B", "A"], dtype=pl.Categorical),
            "text": pl.Series(["a", "", None], dtype=pl.String),
            "label": [1.0, float("nan"), 0.0],
            "source": pl.Series(["x", "y", None], dtype=pl.Enum(["x", "y"])),
            "published": [datetime(2020, 1, 2, 3, tzinfo=UTC), None, None],
        }
    )
    frame.write_parquet(tmp_path / "news.bin")
    assert read_whole(tmp_path / "news.bin", chunk_rows=2).rows.rows() == [
        (1, None, "A", "a", "1.0", "x", None, None, "2020-01-02T03:00:00.000000+00:00"),
        (2, None, "B", None, None, "y", None, None, None),
        (3, None, "A", None, "0.0", None, None, None, None),
    ]


def test_parquet_times_of_other_zones_are_given_in_utc(tmp_path: Path) -> None:
    # In 1880 Berlin's clock was 53 minutes and 28 seconds ahead: an ISO offset has no seconds.
    times = pl.Series(
        [datetime(2020, 1, 2, 3), datetime(1880, 1, 1)], dtype=pl.Datetime("ms", "Europe/Berlin")
    )
    pl.DataFrame({"title": ["A", "B"], "date": times}).write_parquet(tmp_path / "news.parquet")
    assert read_whole(tmp_path / "news.parquet").rows["published_at"].to_list() == [
        "2020-01-02T03:00:00.000+00:00",
        "1880-01-01T00:00:00.000+00:00",
    ]


@pytest.mark.parametrize("zone", ["+05:30", "-05", "+02:00", "UTC", "America/New_York"])
def test_parquet_times_of_every_zone_that_arrow_allows(tmp_path: Path, zone: str) -> None:
    moment = datetime(2020, 1, 2, 3, tzinfo=UTC)
    times = pyarrow.array([moment], pyarrow.timestamp("us", "UTC")).cast(pyarrow.timestamp("us", zone))
    write_table(pyarrow.table({"title": ["A"], "date": times}), tmp_path / "news.parquet")
    found = read_whole(tmp_path / "news.parquet").rows["published_at"].to_list()
    assert found == ["2020-01-02T03:00:00.000000+00:00"]


def test_parquet_with_integer_labels_and_dates(tmp_path: Path) -> None:
    frame = pl.DataFrame({"title": ["A", "B"], "label": [1, None], "date": [date(2020, 1, 2), None]})
    frame.write_parquet(tmp_path / "news.parquet")
    assert read_whole(tmp_path / "news.parquet").rows.select("label", "published_at").rows() == [
        ("1", "2020-01-02"),
        (None, None),
    ]


@pytest.mark.parametrize(
    ("frame", "named"),
    [
        (pl.DataFrame({"claim": ["A"]}), "no `title` column; columns found: 'claim'"),
        (pl.DataFrame({"title": ["A"], "Title": ["B"]}), "names `title` 2 times"),
        (pl.DataFrame(schema={"title": pl.String}), "a header and no rows"),
    ],
)
def test_parquet_that_is_no_news_table(tmp_path: Path, frame: pl.DataFrame, named: str) -> None:
    frame.write_parquet(tmp_path / "news.parquet")
    with pytest.raises(UnreadableFile, match=named):
        read_whole(tmp_path / "news.parquet")


def test_nested_and_binary_values_of_parquet(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {"title": [b"A"], "source": [{"name": "Herald", "rank": 1}], "authors": [["B", "C"]], "n": [[1]]}
    )
    frame.write_parquet(tmp_path / "news.parquet")
    with open_table(tmp_path / "news.parquet") as table:
        assert table.names == ("title", "source.name", "source.rank", "authors", "n")
        (chunk,) = table.chunks()
    assert chunk.values.rows() == [("A", "Herald", "1", "B, C", None)]


def test_damaged_parquet(tmp_path: Path) -> None:
    path = tmp_path / "news.parquet"
    pl.DataFrame({"title": [f"title {i}" for i in range(500)]}).write_parquet(path)
    whole = path.read_bytes()
    for content in (whole[:-20], b"PAR1", whole[:40] + b"\xff" * 40 + whole[80:]):
        with pytest.raises(UnreadableFile, match="not a sound Parquet file"):
            read(path, content)


def test_every_format_reads_the_same(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {"title": ["A, “b”", 'C\n"d"', "é"], "text": ["x", None, "z"], "label": ["1", "0", None]}
    )
    frame.write_csv(tmp_path / "csv")
    frame.write_parquet(tmp_path / "parquet")
    (tmp_path / "jsonl").write_text("".join(json.dumps(row) + "\n" for row in frame.to_dicts()))
    first, *others = [
        read_whole(tmp_path / name).rows.drop("line").rows() for name in ("csv", "parquet", "jsonl")
    ]
    assert [row[1:4] for row in first] == frame.rows()
    assert others == [first, first]
