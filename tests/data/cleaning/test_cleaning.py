"""Cleaning: every row ends in the articles or in quarantine, and bad files say what is wrong."""

import gzip
import io
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal

import polars as pl
import pytest

from fakenews_assets.data.cleaning.cleaning import BatchRejected, CleaningLimits, clean_batch
from fakenews_assets.data.cleaning.summary import CleaningSummary
from fakenews_assets.data.fields.mapping import BatchMapping
from fakenews_assets.data.ratings.labelling import PublisherLabels
from fakenews_assets.data.readers.table import UnreadableFile
from fakenews_assets.data.schema import ARTICLE_SCHEMA, QUARANTINE_SCHEMA, article_id
from fakenews_assets.data.text.preparation import TextPreparation

TimeUnit = Literal["ms", "us", "ns"]
LENIENT = CleaningLimits(max_reject_share=1.0)


def clean(
    tmp_path: Path,
    content: str | bytes,
    limits: CleaningLimits = LENIENT,
    name: str = "news.csv",
    **options: Any,
) -> tuple[CleaningSummary, pl.DataFrame, pl.DataFrame]:
    raw = tmp_path / name
    raw.write_bytes(content.encode() if isinstance(content, str) else content)
    folder = tmp_path / "clean"
    folder.mkdir()
    summary = clean_batch([raw], "b1", folder, preparation=TextPreparation(), limits=limits, **options)
    articles = pl.scan_parquet(folder / "articles-*.parquet").collect()
    return summary, articles, pl.read_parquet(folder / "quarantine.parquet")


def test_a_row_becomes_an_article(tmp_path: Path) -> None:
    content = (
        ",title,text,label,source,published_at\n"
        '0,Tax bill passes – Breitbart,"WASHINGTON (Reuters) - It\n""passed"".",0, Daily ,2017-03-04\n'
    )
    summary, articles, quarantine = clean(tmp_path, content)
    assert articles.schema == ARTICLE_SCHEMA
    row = articles.row(0, named=True)
    assert row["title"] == "Tax bill passes"
    assert row["text"] == 'It "passed".'
    assert row["article_id"] == article_id("Tax bill passes", 'It "passed".')
    assert (row["label"], row["source"], row["batch"]) == (0, "daily", "b1")
    assert row["published_at"].isoformat() == "2017-03-04T00:00:00+00:00"
    assert quarantine.schema == QUARANTINE_SCHEMA
    assert quarantine.is_empty()
    assert summary.boilerplate["wire dateline"] == 1
    assert summary.boilerplate["site suffix"] == 1


def test_the_preparation_travels_with_the_batch(tmp_path: Path) -> None:
    clean(tmp_path, "title\nA\n")
    stored = (tmp_path / "clean" / "prepare.json").read_text()
    assert TextPreparation.model_validate_json(stored) == TextPreparation()


def test_every_reject_has_its_reason_and_nothing_is_lost(tmp_path: Path) -> None:
    content = (
        "title,text,label\n"
        "fine,x,1\n"
        ",no title,1\n"
        "[VIDEO],only a tag,0\n"
        "odd label,x,7\n"
        f"{'long ' * 300},x,1\n"
        f"long text,{'y' * 200_001},0\n"
        "ragged,x,1,surplus,more\n"
        "last,x,0\n"
    )
    summary, articles, quarantine = clean(tmp_path, content)
    assert articles["title"].to_list() == ["fine", "last"]
    assert dict(quarantine.select("row", "reason").rows()) == {
        2: "empty title",
        3: "empty title",
        4: "label out of range",
        5: "over-long field",
        6: "over-long field",
        7: "unreadable row",
    }
    assert (quarantine["line"] == quarantine["row"] + 1).all()
    assert summary.rows_in == 8
    assert summary.rows_out + sum(summary.rejected.values()) == summary.rows_in
    assert all(len(record) <= 500 for record in quarantine["record"])


def test_markup_in_many_layers_goes_to_quarantine(tmp_path: Path) -> None:
    # What is stored must stay as it is when it is prepared once more, for scores and ids.
    _, articles, quarantine = clean(tmp_path, f"title,text\nA,x\nB,&{'amp;' * 50}\nC,y\n")
    assert articles["title"].to_list() == ["A", "C"]
    assert quarantine.select("line", "reason").rows() == [(3, "nested markup")]


def test_labels_as_words_and_missing_labels(tmp_path: Path) -> None:
    content = "title,label\na,FAKE\nb,real\nc,1\nd,0\ne,\nf,true\n"
    summary, articles, quarantine = clean(tmp_path, content)
    assert articles["label"].to_list() == [1, 0, 1, 0, None]
    assert quarantine["detail"].to_list() == ["true says neither real nor fake"]
    assert (summary.fake, summary.real, summary.unlabelled) == (2, 2, 1)


def test_a_title_of_twenty_megabytes_goes_to_quarantine(tmp_path: Path) -> None:
    summary, articles, quarantine = clean(tmp_path, f'title,label\n"{"x" * 20_000_000}",1\nfine,0\n')
    assert articles["title"].to_list() == ["fine"]
    assert quarantine["reason"].to_list() == ["over-long field"]
    assert quarantine["detail"].to_list() == ["title longer than 1,000 characters"]
    assert summary.rejected == {"over-long field": 1}


def test_nul_bytes_separate_words(tmp_path: Path) -> None:
    _, articles, _ = clean(tmp_path, b"title,label\nTax\x00bill,1\n")
    assert articles["title"].to_list() == ["Tax bill"]


def test_repeated_rows_are_counted_and_duplicate_serials_do_no_harm(tmp_path: Path) -> None:
    summary, articles, _ = clean(tmp_path, ",title,text,label\n5,a,x,1\n5,b,y,0\n5,a,x,1\n")
    assert len(articles) == 3
    assert summary.repeated == 1


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Kolkata"])
def test_parquet_timestamps_of_any_unit_are_dated(tmp_path: Path, unit: TimeUnit, zone: str | None) -> None:
    naive = pl.Series([datetime(2017, 3, 4, 5, 6, 7, 250_000), datetime(1880, 1, 1), None])
    times = naive.dt.replace_time_zone("UTC").dt.cast_time_unit(unit)
    stamps = times.dt.convert_time_zone(zone) if zone else times.dt.replace_time_zone(None)
    content = io.BytesIO()
    pl.DataFrame({"title": ["a", "b", "c"], "published_at": stamps}).write_parquet(content)
    summary, articles, _ = clean(tmp_path, content.getvalue(), name="news.parquet")
    assert articles["published_at"].to_list() == naive.dt.replace_time_zone("UTC").to_list()
    assert summary.undated == 1


def test_parquet_dates_are_midnight_in_utc(tmp_path: Path) -> None:
    content = io.BytesIO()
    pl.DataFrame({"title": ["a"], "date": [date(2017, 3, 4)]}).write_parquet(content)
    _, articles, _ = clean(tmp_path, content.getvalue(), name="news.parquet")
    assert articles["published_at"].to_list() == [datetime(2017, 3, 4, tzinfo=UTC)]


def test_the_publisher_is_the_first_that_is_known_and_the_group_is_lower_case(tmp_path: Path) -> None:
    content = (
        "title,site,link,leaning\n"
        "a,www.Times.example,https://wire.example/a, Left \n"
        "b,,https://www.wire.example/2020/b,CENTER\n"
        "c,Meridian  Wire,nan,\n"
        "d,none,,n/a\n"
    )
    _, articles, _ = clean(tmp_path, content, mapping=BatchMapping(source="batch.example"))
    assert articles.select("source", "group").rows() == [
        ("times.example", "left"),
        ("wire.example", "center"),
        ("meridian wire", None),
        ("batch.example", None),
    ]


@pytest.mark.parametrize(
    ("replace", "labels", "rated"),
    [
        (False, {"a": 1, "b": 0, "c": None, "d": 1}, 2),
        (True, {"a": 1, "b": 1, "c": None, "d": 1, "e": None}, 3),
    ],
)
def test_a_rating_labels_what_the_file_does_not(
    tmp_path: Path, replace: bool, labels: dict[str, int | None], rated: int
) -> None:
    content = (
        "title,label,source\n"
        "a,,www.low.example\n"
        "b,0,low.example\n"
        "c,,unknown.example\n"
        "d,nan,low.example\n"
        "e,true,high.example\n"
    )
    table = pl.DataFrame({"source": ["low.example"], "label": pl.Series([1], dtype=pl.Int8)})
    summary, articles, _ = clean(tmp_path, content, labels=PublisherLabels(table, replace))
    assert dict(articles.select("title", "label").iter_rows()) == labels
    assert summary.rated == rated
    assert (summary.fake, summary.evidence.fake) == (rated, rated), "the checks see these labels"


def test_words_for_a_missing_value_are_empty(tmp_path: Path) -> None:
    content = (
        "title,text,label,source,date\n"
        "nan,x,1,,\n"
        " NULL ,x,1,,\n"
        "a, NaN ,<NA>,None,NaT\n"
        "Null and void,None of them came,0,Nan News,2017-03-04\n"
    )
    summary, articles, quarantine = clean(tmp_path, content)
    assert quarantine.select("row", "reason").rows() == [(1, "empty title"), (2, "empty title")]
    columns = articles.select("title", "text", "label", "source", pl.col("published_at").dt.year())
    assert columns.rows() == [
        ("a", "", None, None, None),
        ("Null and void", "None of them came", 0, "nan news", 2017),
    ]
    assert (summary.missing_text, summary.unlabelled, summary.undated) == (1, 1, 1)


def test_too_many_rejects_fail_with_their_kinds(tmp_path: Path) -> None:
    rows = [f"{'x' * (1001 + n % 12)},1" for n in range(60)] + [f"fine {n},1" for n in range(40)]
    with pytest.raises(
        BatchRejected, match=r"60 of 100 rows cannot be used \(60\.0% of the file; at most 5\.0%"
    ) as caught:
        clean(tmp_path, "title,label\n" + "\n".join(rows) + "\n", CleaningLimits())
    ((kind, count),) = caught.value.commonest
    assert kind.startswith("over-long field: title longer than 1,000 characters (first at row 1, line 2: xxx")
    assert count == 60
    assert len(caught.value.examples) == 20


def test_missing_titles_cost_their_rows_and_not_the_batch(tmp_path: Path) -> None:
    lines = [f"{'nan' if n % 5 == 0 else f'Title {n}'},Text {n} of the day,{n % 2}\n" for n in range(200)]
    content = "title,text,label\n" + "".join(lines)
    summary, articles, _ = clean(tmp_path, content, CleaningLimits())
    assert (summary.rows_in, summary.rejected, len(articles)) == (200, {"empty title": 40}, 160)
    (tmp_path / "again").mkdir()
    made, _, _ = clean(tmp_path / "again", content, CleaningLimits(), mapping=BatchMapping(title_words=3))
    assert (made.rows_out, made.rejected) == (200, {})


@pytest.mark.parametrize(
    ("row", "remedy"),
    [
        (
            ",A text",
            r"60 of 100 rows cannot be used \(60\.0% have no title.*--column title=NAME.*--title-words 12",
        ),
        (f"{'long ' * 300},A text", r"--column title= --column text=NAME --title-words 12\. Else fix"),
        ("a,b,c,d", r"100 rows cannot be used \(60\.0% of the file; at most 5\.0% may be\)\. Fix the file"),
    ],
)
def test_a_refusal_says_what_to_do(tmp_path: Path, row: str, remedy: str) -> None:
    rows = [row] * 60 + [f"fine {n},A text" for n in range(40)]
    with pytest.raises(BatchRejected, match=remedy):
        clean(tmp_path, "title,text\n" + "\n".join(rows) + "\n", CleaningLimits())


@pytest.mark.parametrize("row", ["a", "a,b,c"])
def test_a_header_that_fits_no_row_is_said(tmp_path: Path, row: str) -> None:
    with pytest.raises(
        BatchRejected, match=r"No row has as many columns .*--header NAME,NAME,\.\.\.\), or drop it"
    ):
        clean(tmp_path, f"{row}\n" * 9, CleaningLimits(), mapping=BatchMapping(header=("title", "text")))


def test_what_news_apis_put_in_for_an_article(tmp_path: Path) -> None:
    lines = [
        {"title": "[Removed]", "content": "[Removed]", "publishedAt": "2024-01-02T03:04:05Z"},
        {
            "title": "Tax bill",
            "content": "It passed, at… [+1234 chars]",
            "publishedAt": "2024-01-02T03:04:05Z",
        },
        {"title": "Another", "content": "[deleted]"},
    ]
    summary, articles, quarantine = clean(tmp_path, "\n".join(map(json.dumps, lines)), name="news.jsonl")
    assert quarantine["reason"].to_list() == ["empty title"]
    assert articles["text"].to_list() == ["It passed, at", ""]
    assert summary.boilerplate["cut mark"] == 1


def test_a_batch_without_one_usable_row_fails_even_when_lenient(tmp_path: Path) -> None:
    with pytest.raises(BatchRejected, match="1 of 1 rows"):
        clean(tmp_path, "title,label\na,7\n")


def test_a_cut_gzip_file_fails_as_a_whole(tmp_path: Path) -> None:
    content = "title,label\n" + "".join(
        f"headline number {n} about something else {n * 7919},1\n" for n in range(5000)
    )
    with pytest.raises(UnreadableFile, match="cut or damaged"):
        clean(tmp_path, gzip.compress(content.encode())[:-2000], name="news.csv.gz")


def test_an_erased_article_goes_to_quarantine_without_a_word_of_it(tmp_path: Path) -> None:
    erased = {article_id("Tax bill passes", "x"), article_id("Tax bill passes", "")}
    raw = tmp_path / "news.csv"
    raw.write_text(
        "title,text,label\nTax bill passes [VIDEO],x,1\nTax bill passes,,9\nTax bill passes,other,0\n"
    )
    folder = tmp_path / "clean"
    folder.mkdir()
    # Two thirds are refused, and none of them for its own fault.
    limits = CleaningLimits(max_reject_share=0.0)
    summary = clean_batch([raw], "b1", folder, preparation=TextPreparation(), limits=limits, erased=erased)
    assert pl.read_parquet(folder / "articles-0000.parquet")["text"].to_list() == ["other"]
    quarantine = pl.read_parquet(folder / "quarantine.parquet")
    assert quarantine.rows() == [(1, 2, "erased", "", 1, ""), (2, 3, "erased", "", 1, "")]
    assert (summary.rows_in, summary.rows_out, summary.rejected) == (3, 1, {"erased": 2})


def test_chunks_do_not_change_the_outcome(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fakenews_assets.data.fields.columns import read_raw
    from fakenews_assets.data.receiving import raw_files

    lines = [json.dumps({"title": f"Headline {n % 50} [VIDEO]", "label": n % 3}) for n in range(200)]
    whole = clean(tmp_path, "\n".join(lines), name="news.jsonl")
    monkeypatch.setattr(raw_files, "read_raw", lambda path, mapping: read_raw(path, mapping, chunk_rows=7))
    (tmp_path / "again").mkdir()
    parts = clean(tmp_path / "again", "\n".join(lines), name="news.jsonl")
    assert len(list((tmp_path / "again" / "clean").glob("articles-*.parquet"))) > 20
    assert parts[0] == whole[0]
    assert parts[1].equals(whole[1])
    assert parts[2].equals(whole[2])


def test_the_summary_says_how_labels_were_read_and_which_dates_were_not(tmp_path: Path) -> None:
    content = "title,label,date\nA,0,2017-03-04\nB,1,sometime\nC,1,\nD,2,never\n,1,no title\n"
    summary, _, _ = clean(tmp_path, content, mapping=BatchMapping(labels={"2": "unlabelled"}))
    assert summary.words == {"1": "fake", "0": "real", "2": "unlabelled"}
    assert (summary.undated, summary.unread_dates, summary.unread_date) == (3, 2, "sometime")
