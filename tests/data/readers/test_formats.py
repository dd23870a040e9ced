"""Nothing to read, gzip, JSON Lines and Parquet."""

import gzip
import json
import random
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pyarrow
import pytest
from pyarrow.parquet import write_table

from fakenews_assets.data.readers.reading import open_table
from fakenews_assets.data.readers.table import UnreadableFile
from fakenews_assets.data.schema import Reason
from tests.support.reading import read, read_whole, titles

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
