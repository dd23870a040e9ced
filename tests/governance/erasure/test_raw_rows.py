"""Records of raw files are blanked, and nothing else changes, not by a byte."""

import gzip
import json
from pathlib import Path

import polars as pl
import pytest

from fakenews_assets.data.fields.columns import read_raw
from fakenews_assets.data.fields.mapping import BatchMapping
from fakenews_assets.data.schema import article_id
from fakenews_assets.data.text.preparation import TextPreparation
from fakenews_assets.governance.erasure.quoting import Wording
from fakenews_assets.governance.erasure.raw_rows import blank_rows, find_rows, find_torn_rows
from tests.support.kinds import READ, Kind

MINE = {article_id("Tax bill passes", "It passed, at last.")}
CSV = (
    b'\xef\xbb\xbf"n";"Title";"text";label\r\n'
    b"\r\n"
    b'0;first "quote;x;1\r\n'  # unreadable, and counted
    b'1;"one; two";caf\xe9;0\r\n'
    b'2;"Tax bill passes";"It passed, at\r\nlast.";1\r\n'
    b"3;ragged;x;0;surplus\r\n"
    b"4;last;y;0"
)


def blanked(tmp_path: Path, data: bytes, name: str = "news.csv") -> tuple[dict[int, str], bytes]:
    raw, target = tmp_path / name, tmp_path / "target"
    raw.write_bytes(data)
    rows = find_rows([raw], BatchMapping(), TextPreparation(), MINE)
    blank_rows(raw, rows, BatchMapping(), target)
    return rows, target.read_bytes()


def test_a_record_of_a_csv_file(tmp_path: Path) -> None:
    rows, found = blanked(tmp_path, CSV)
    assert rows == {3: "Tax bill passes"}
    assert found == CSV.replace(b'2;"Tax bill passes";"It passed, at\r\nlast.";1', b'2;;"\r\n";1')
    # Every record keeps its number, and its lines, which quarantine names.
    (tmp_path / "again.csv").write_bytes(found)
    (before,), (after,) = (list(read_raw(tmp_path / name)) for name in ("news.csv", "again.csv"))
    assert before.rows["row"].equals(after.rows["row"])
    assert before.rejects.equals(after.rejects)


@pytest.mark.parametrize("kind", READ, ids=lambda kind: kind.name)
def test_a_record_of_a_file_of_each_kind(tmp_path: Path, kind: Kind) -> None:
    raw, target = tmp_path / kind.name, tmp_path / "target"
    raw.write_bytes(kind.content)
    before = read(raw)
    mine = TextPreparation().apply(before[3:4])
    ids = {article_id(mine["title"][0], mine["text"][0])}
    rows = find_rows([raw], BatchMapping(), TextPreparation(), ids)
    assert list(rows) == [before["row"][3]]
    blank_rows(raw, rows, BatchMapping(), target)
    after = read(target)
    assert after["row"].equals(before["row"])
    assert after.filter(pl.col("row").is_in(list(rows)).not_()).equals(
        before.filter(pl.col("row").is_in(list(rows)).not_())
    )
    assert after["title"][3] is None
    assert not (after["text"][3] or "").strip()
    assert after["label"][3] == before["label"][3]


def read(path: Path) -> pl.DataFrame:
    return pl.concat(chunk.rows for chunk in read_raw(path))


def test_a_line_of_json_that_is_cut_and_may_hold_it(tmp_path: Path) -> None:
    whole = json.dumps({"title": "Tax bill passes", "text": "It passed, at last, on Friday.", "label": 0})
    others = [
        json.dumps({"title": "another", "text": "of another day"}),
        '{"title": "yet another, cut',
        "\x00",
    ]
    wording = Wording(frozenset({"Tax bill passes"}), frozenset({"It passed, at last, on Friday."}))
    for cut in range(1, len(whole)):
        for torn in (whole[:cut], whole[cut:]):
            raw = tmp_path / "news.jsonl"
            raw.write_text("\n".join([others[0], others[1], torn, others[2], whole]))
            rows = find_torn_rows(raw, wording, ())
            blank_rows(raw, rows, BatchMapping(), tmp_path / "target")
            lines = (tmp_path / "target").read_text().split("\n")
            assert [*lines[:2], *lines[3:]] == [*others, whole]
            assert lines[2] in (torn, "{}")
            text = "It passed, at last, on Friday."
            held = (text[at : at + 16] in torn for at in range(len(text) - 15))
            assert (lines[2] == "{}") is any(held)
            assert find_torn_rows(raw, Wording(), [3]) == [3], "it is known to hold it"


def test_a_gzipped_one(tmp_path: Path) -> None:
    rows, found = blanked(tmp_path, gzip.compress(CSV), "news.csv.gz")
    assert list(rows) == [3]
    assert b"Tax bill" not in gzip.decompress(found)


def test_a_line_of_json(tmp_path: Path) -> None:
    lines = [
        json.dumps({"id": 1, "title": "é other", "label": 1}),
        "",
        "no json",
        json.dumps(
            {"Title": "Tax bill passes", "text": "It passed, at last.", "label": 0, "link": "//a.b/tax"}
        ),
        '{"title":"last"}',
    ]
    rows, found = blanked(tmp_path, "\n".join(lines).encode(), "news.jsonl")
    assert list(rows) == [3]
    kept = found.decode().split("\n")
    assert kept[:3] + kept[4:] == lines[:3] + lines[4:]
    assert json.loads(kept[3]) == {"Title": "", "text": "", "label": 0, "link": ""}


def test_a_row_of_a_parquet_file(tmp_path: Path) -> None:
    table = pl.DataFrame(
        {"title": ["a", "Tax bill passes"], "text": ["x", "It passed, at last."], "label": [0, 1]}
    )
    table.write_parquet(tmp_path / "source.parquet")
    rows, _ = blanked(tmp_path, (tmp_path / "source.parquet").read_bytes(), "news.parquet")
    assert list(rows) == [2]
    assert pl.read_parquet(tmp_path / "target").rows() == [("a", "x", 0), ("", "", 1)]


def test_a_column_that_was_named_in_a_file_without_a_header(tmp_path: Path) -> None:
    mapping = BatchMapping(
        header=("id", "claim", "story", "label"), columns={"title": "claim", "text": "story"}
    )
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_text("1,Another,x,0\n")
    second.write_text('2,Tax bill passes,"It passed, at last.",1\n3,last,y,0\n')
    assert find_rows([first, second], mapping, TextPreparation(), MINE) == {2: "Tax bill passes"}
    blank_rows(second, [1], mapping, tmp_path / "target")
    assert (tmp_path / "target").read_text() == "2,,,1\n3,last,y,0\n"
