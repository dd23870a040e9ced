"""Tables of ratings in any format, and what is left out of them."""

import gzip
from pathlib import Path

import polars as pl
import pytest

from fakenews_assets.data.ratings.reading import (
    Ratings,
    RatingsRefused,
    RatingsSettings,
    read_ratings,
    received_files,
    store_ratings,
)
from fakenews_resources.news.base import received
from fakenews_resources.news.registry import receive
from fakenews_resources.storage.artifact import Artifact

LENIENT = RatingsSettings(max_unusable_share=1)
TABLE = "domain,pc1\nhttps://www.High.example/,0.9\nlow.example,0.1\n"


def read(path: Path, content: str | bytes, settings: RatingsSettings = LENIENT) -> Ratings:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_ratings([path], settings)


def test_a_table_of_any_format(tmp_path: Path) -> None:
    expected = [("high.example", 0.9), ("low.example", 0.1)]
    assert read(tmp_path / "a.csv", TABLE).table.rows() == expected
    decimal_commas = TABLE.replace(",", ";").replace("0.", "0,")
    assert read(tmp_path / "b.csv", decimal_commas).table.rows() == expected
    assert read(tmp_path / "b.tsv", TABLE.replace(",", "\t")).table.rows() == expected
    assert read(tmp_path / "c.csv.gz", gzip.compress(TABLE.encode())).table.rows() == expected
    pl.DataFrame({"SOURCE": ["low.example", "high.example"], "Score": [0.1, 0.9]}).write_parquet(
        tmp_path / "d"
    )
    assert read_ratings([tmp_path / "d"], LENIENT).table.rows() == expected


def test_unusable_rows_are_counted_and_repeated_publishers_merged(tmp_path: Path) -> None:
    ratings = read(
        tmp_path / "ratings.csv",
        "source,rating\na.example,0.2\nwww.a.example,0.2\nb.example,0.4\nm.b.example,0.6\n"
        "nan,0.5\nsocial.example/channel,0.5\nc.example,good\nd.example,\ne.example,87\nf.example,NaN\n",
    )
    assert ratings.table.rows() == [("a.example", 0.2), ("b.example", 0.5)]
    assert ratings.report.model_dump() == {
        "columns": ("source", "rating"),
        "rows": 10,
        "publishers": 2,
        "unusable": {
            "a page, not a publisher": 1,
            "no number": 3,
            "no publisher": 1,
            "outside 0 to 1": 1,
        },
        "repeated": 2,
        "contradicted": ("b.example",),
    }


def test_a_domain_goes_before_a_name(tmp_path: Path) -> None:
    ratings = read(tmp_path / "ratings.csv", "source,domain,pc1\nThe Times,times.example,0.7\n")
    assert ratings.table.rows() == [("times.example", 0.7)]
    assert ratings.report.columns == ("domain", "pc1")


def test_columns_can_be_named(tmp_path: Path) -> None:
    settings = RatingsSettings(source_column="outlet", rating_column="Trust")
    ratings = read(tmp_path / "ratings.csv", "rating,outlet,trust\n0.1,a.example,0.7\n", settings)
    assert ratings.table.rows() == [("a.example", 0.7)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "domain,stars\na.example,0.1\n",
            "no column rating or score .*found: domain, stars.*--rating-column",
        ),
        (
            "domain,score\na.example,87\nb.example,0.5\n",
            r"1 of 2 rows .*: outside 0 to 1 \(1\).*--max-unusable",
        ),
        ("domain,score\n", "0 of 0 rows"),
        ("", "is not a CSV or Parquet file"),
        (b"PAR1 and nothing else", "is not a CSV or Parquet file"),
    ],
)
def test_what_is_no_table_of_ratings_is_refused(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(RatingsRefused, match=message):
        read(tmp_path / "ratings.csv", content, RatingsSettings())


def test_the_files_of_a_folder_are_kept_as_received_and_merged(tmp_path: Path) -> None:
    source, folder = tmp_path / "source", tmp_path / "stored"
    for path in (source, folder):
        path.mkdir()
    (source / "b.csv").write_text("domain,rating\nlate.example,0.3\n")
    (source / "a.csv").write_text(TABLE)
    manifest = store_ratings(receive, str(source), folder, tmp_path, LENIENT)
    stored = Artifact(folder, meta=manifest)
    assert stored.scan("ratings").collect()["source"].to_list() == [
        "high.example",
        "late.example",
        "low.example",
    ]
    kept = received_files(stored)
    assert [path.read_text() for path in kept] == [(source / name).read_text() for name in ("a.csv", "b.csv")]
    assert [one["sha256"] for one in manifest["files"]] == [received(path, "").sha256 for path in kept]


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(RatingsRefused, match="holds no CSV or Parquet file"):
        store_ratings(receive, str(tmp_path / "empty"), tmp_path, tmp_path, LENIENT)
