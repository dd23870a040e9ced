"""Several files make one batch: their rows are numbered through, and each may have a label of its own."""

from pathlib import Path

import polars as pl

from fakenews_assets.data.fields.mapping import BatchMapping
from fakenews_assets.data.receiving.raw_files import raw_files, read_files, read_mapping, rows_by_file
from fakenews_assets.data.receiving.receiving import RawNewsSettings, digest_of, store_raw_files
from fakenews_resources.news.base import received
from fakenews_resources.storage.artifact import Artifact


def store(tmp_path: Path, *contents: str, **given: object) -> Artifact:
    arrived = []
    for number, content in enumerate(contents):
        file = tmp_path / str(number) / "news.csv"
        file.parent.mkdir()
        file.write_text(content)
        arrived.append(received(file, file.as_uri()))
    folder = tmp_path / "batch"
    folder.mkdir()
    settings = RawNewsSettings.model_validate(given)
    return Artifact(folder, meta=store_raw_files(arrived, "b", folder, {}, settings))


def test_files_of_one_name_get_names_of_their_own(tmp_path: Path) -> None:
    raw = store(tmp_path, "title\nA\nB\n", 'title\n"C')
    assert [path.name for path in raw_files(raw)] == ["news.csv", "2-news.csv"]
    assert [file["rows"] for file in raw.meta["files"]] == [2, None]
    assert raw.meta["rows"] is None, "one of them cannot be read"


def test_labels_and_rejects_are_those_of_the_file(tmp_path: Path) -> None:
    raw = store(tmp_path, "title\nA\nB\n", "title,label\nC,0\nD\nE,0\n", file_labels=["real", "fake"])
    chunks = list(read_files(raw_files(raw), read_mapping(raw)))
    rows, rejects = (pl.concat(getattr(chunk, name) for chunk in chunks) for name in ("rows", "rejects"))
    assert rows.select("row", "title", "label").rows() == [
        (1, "A", "real"), (2, "B", "real"), (3, "C", "fake"), (5, "E", "fake"),
    ]  # fmt: skip
    assert rejects.select("row", "line").rows() == [(4, 3)]
    assert {chunk.file for chunk in chunks} == {"news.csv", "2-news.csv"}
    first, second = raw_files(raw)
    assert rows_by_file(raw, [2, 3, 5]) == {first: [2], second: [1, 3]}
    assert rows_by_file(raw, [4]) == {second: [2]}


def test_the_digest_of_several_files_names_them_in_order(tmp_path: Path) -> None:
    raw = store(tmp_path, "title\nA\n", "title\nB\n")
    digests = [file["sha256"] for file in raw.meta["files"]]
    assert raw.meta["sha256"] == digest_of(digests) != digest_of(digests[::-1])
    assert digest_of(digests[:1]) == digests[0]


def test_the_dates_of_a_batch_decide_their_order_unless_it_was_given(tmp_path: Path) -> None:
    raw = store(tmp_path, "title,date\nA,03/04/2017\n", "title,date\nB,31/12/2017\n")
    assert raw.meta["day_first"]
    assert read_mapping(raw) == BatchMapping(day_first=True)
    assert raw.meta["mapping"] == {}, "nobody has said so"
    (tmp_path / "again").mkdir()
    given = store(tmp_path / "again", "title,date\nA,31/12/2017\n", day_first=False)
    assert read_mapping(given).day_first is False
