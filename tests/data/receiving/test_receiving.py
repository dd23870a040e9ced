"""What becomes of a received file: it is the batch's, or it goes."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from fakenews_assets.data.receiving.raw_files import read_mapping
from fakenews_assets.data.receiving.receiving import (
    BatchChanged,
    RawNewsSettings,
    columns_read,
    store_raw_files,
)
from fakenews_resources.news.base import Received, received
from fakenews_resources.storage.artifact import Artifact


@pytest.fixture
def arrived(tmp_path: Path) -> Received:
    file = tmp_path / "landing" / "news.csv"
    file.parent.mkdir()
    file.write_text(",title,text,label\n0,A title,A text,1\n1,Another,,0\n")
    return received(file, "https://example.org/news.csv")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "batch").mkdir()
    return tmp_path / "batch"


def test_a_new_batch_gets_the_file_and_a_manifest(arrived: Received, folder: Path) -> None:
    manifest = store_raw_files([arrived], "b1", folder, {}, RawNewsSettings(sha256=arrived.sha256))
    assert manifest.pop("received_at")
    file = {
        "source_uri": "https://example.org/news.csv",
        "sha256": arrived.sha256,
        "bytes": (folder / "news.csv").stat().st_size,
        "rows": 2,
    }
    used = {"title": "title", "text": "text", "label": "label"}
    assert manifest == {
        "files": [
            {
                "file": "news.csv",
                "read_as": "CSV in UTF-8, delimited by `,`",
                **file,
                "columns": used,
                "ignored": [],
            }
        ],
        **file,
        "mapping": {},
        "recognised": {"as": "", "columns": {}, "labels": {}},
        "day_first": False,
        "dates": {"day_first": 0, "month_first": 0, "either": 0, "stops": 0},
    }
    assert not arrived.path.exists()


def test_a_batch_that_comes_again_keeps_the_time_of_its_first_arrival(
    arrived: Received, folder: Path
) -> None:
    known = {"sha256": arrived.sha256, "received_at": "2026-01-01T00:00:00+00:00"}
    assert (
        store_raw_files([arrived], "b1", folder, known, RawNewsSettings())["received_at"]
        == known["received_at"]
    )


def test_the_publisher_of_a_batch_is_part_of_its_version_and_is_kept(arrived: Received, folder: Path) -> None:
    manifest = store_raw_files(
        [arrived], "b1", folder, {}, RawNewsSettings(source="https://www.Wire.example/feed")
    )
    assert manifest["mapping"] == {"source": "wire.example"}
    assert read_mapping(Artifact(folder)).source == "wire.example"
    again = folder.with_name("again")
    again.mkdir()
    kept = store_raw_files([received(folder / "news.csv", "x")], "b1", again, manifest, RawNewsSettings())
    assert kept["mapping"] == manifest["mapping"]
    assert read_mapping(Artifact(again)).source == "wire.example"


def test_a_column_whose_name_says_real_is_told_with_its_meaning(tmp_path: Path, folder: Path) -> None:
    file = tmp_path / "news.csv"
    file.write_text("title,is_real\nA,1\n")
    manifest = store_raw_files([received(file, "x")], "b1", folder, {}, RawNewsSettings())
    used, _ = columns_read(manifest)
    assert used == "title, label from 'is_real', where 1 = real by the name of the column of labels"


def test_a_setting_that_was_kept_is_forgotten_when_asked(arrived: Received, folder: Path) -> None:
    known = {
        "sha256": arrived.sha256,
        "mapping": {"labels": {"1": "real"}, "title_words": 3},
        "received_at": "x",
    }
    settings = RawNewsSettings(forgotten=("labels",), source="a.example")
    assert store_raw_files([arrived], "b1", folder, known, settings)["mapping"] == {
        "title_words": 3,
        "source": "a.example",
    }
    with pytest.raises(ValidationError, match="not one of"):
        RawNewsSettings(forgotten=("colour",))


def test_a_publisher_without_a_name_is_refused() -> None:
    with pytest.raises(ValidationError, match="'https://' names no publisher"):
        RawNewsSettings(source="https://")


def test_a_file_that_cannot_be_read_is_stored_all_the_same(tmp_path: Path, folder: Path) -> None:
    file = tmp_path / "news.parquet"
    file.write_bytes(b"PAR1 and nothing else")
    assert store_raw_files([received(file, "x")], "b1", folder, {}, RawNewsSettings())["rows"] is None
    assert (folder / "news.parquet").is_file()


@pytest.mark.parametrize(
    ("known", "expected", "message", "hashes"),
    [
        ({"sha256": "1" * 64, "received_at": "2026-01-01"}, "", "no longer has the bytes", "stored_sha256"),
        ({}, "2" * 64, "has changed since", "expected_sha256"),
    ],
)
def test_other_bytes_than_the_batch_has_are_refused(
    arrived: Received, folder: Path, known: dict[str, str], expected: str, message: str, hashes: str
) -> None:
    with pytest.raises(BatchChanged, match=message) as refused:
        store_raw_files([arrived], "b1", folder, known, RawNewsSettings(sha256=expected))
    assert refused.value.hashes == {
        hashes: known.get("sha256", expected),
        "received_sha256": arrived.sha256,
    }
    assert not arrived.path.exists()
    assert not list(folder.iterdir())
