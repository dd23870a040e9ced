import hashlib
import json
import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from gcp_storage_emulator.server import create_server
from google.cloud import storage

from fakenews_assets.cli.data.addresses import batch_name, sha256_of
from fakenews_resources import landing as module
from fakenews_resources.landing import Landed, Landing, batch_name_of
from fakenews_resources.news.base import BadAddress, NotFound, Refused, Unreachable
from fakenews_resources.news.registry import receive
from fakenews_resources.processes import free_port

CONTENT = b"title,label\nA,1\n"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
Look = Callable[[], Landed]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "landing zone"
    folder.mkdir()
    return folder


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    folder = tmp_path / "cache"
    folder.mkdir()
    return folder


@pytest.fixture
def look(folder: Path, cache: Path) -> Look:
    return lambda: Landing(root=str(folder), settle_seconds=0).look(cache)


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files whose content was read."""
    names: list[str] = []
    digest = module.digest
    monkeypatch.setattr(module, "digest", lambda path: names.append(path.name) or digest(path))
    return names


def batches(landed: Landed) -> list[str]:
    return [file.batch for file in landed.files]


def test_a_complete_file(folder: Path, look: Look, tmp_path: Path) -> None:
    path = folder / "news, may.csv"
    path.write_bytes(CONTENT)
    (file,) = look().files
    assert (file.name, file.uri, file.size_bytes) == ("news, may.csv", path.as_uri(), len(CONTENT))
    assert (file.identity, file.batch) == (SHA256, f"news_may-{SHA256[:8]}")
    assert receive(file.uri, tmp_path / "in").sha256 == file.identity
    assert batch_name(str(path), [path], sha256_of([path])) == file.batch, (
        "the command line gives it the same name"
    )


def test_what_is_no_news_file(folder: Path, look: Look) -> None:
    for name in (".news.csv", "a.csv.part", "b.partial", "c.csv.tmp", "d.crdownload", "e.csv~"):
        (folder / name).write_bytes(CONTENT)
    (folder / "folder.csv").mkdir()
    os.mkfifo(folder / "pipe.csv")
    (folder / "gone.csv").symlink_to(folder / "nowhere.csv")
    assert look() == Landed([], {})
    (folder / "scan.pdf").write_bytes(CONTENT)
    assert look() == Landed([], {"of no known format": ["scan.pdf"]})


def test_files_in_subfolders_are_named(folder: Path, look: Look) -> None:
    (folder / "below" / "deeper").mkdir(parents=True)
    for name in ("news.csv", "b.csv.part", ".c.csv", "scan.pdf", "deeper/d.csv"):
        (folder / "below" / name).write_bytes(CONTENT)
    assert look() == Landed([], {"in subfolders, which are not watched": ["below/news.csv"]})


@pytest.mark.parametrize("suffix", ["csv", "CSV", "csv.gz", "tsv", "jsonl", "ndjson.gz", "parquet"])
def test_formats(folder: Path, look: Look, suffix: str) -> None:
    (folder / f"news.{suffix}").write_bytes(CONTENT)
    assert batches(look()) == [f"news-{SHA256[:8]}"]


def test_a_file_counts_once_it_has_settled(folder: Path, cache: Path) -> None:
    place = Landing(root=str(folder), settle_seconds=0.3)
    (folder / "old.csv").write_bytes(CONTENT)
    # Copied with its times: what counts is when it came here.
    (folder / "copied.csv").write_bytes(CONTENT)
    os.utime(folder / "copied.csv", (0, 0))
    assert place.look(cache) == Landed([], {"still being written": ["copied.csv", "old.csv"]})
    time.sleep(0.35)
    (folder / "new.csv").write_bytes(CONTENT)
    landed = place.look(cache)
    assert {file.name for file in landed.files} == {"old.csv", "copied.csv"}
    assert landed.waiting == {"still being written": ["new.csv"]}
    with (folder / "old.csv").open("ab") as file:
        file.write(b"B,0\n")
    assert [file.name for file in place.look(cache).files] == ["copied.csv"]


def test_a_time_in_the_future_does_not_hold_a_file_back(folder: Path, look: Look) -> None:
    (folder / "news.csv").write_bytes(CONTENT)
    os.utime(folder / "news.csv", (4e9, 4e9))
    assert len(look().files) == 1


def test_a_file_that_changes_while_it_is_hashed(
    folder: Path, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "news.csv"
    path.write_bytes(CONTENT)
    digest = module.digest

    def hash_and_write_on(path: Path) -> str:
        with path.open("ab") as file:
            file.write(b"B,0\n")
        return digest(path)

    with monkeypatch.context() as patch:
        patch.setattr(module, "digest", hash_and_write_on)
        assert look() == Landed([], {"still being written": ["news.csv"]})
    assert look().files[0].identity == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_file_that_vanishes_or_cannot_be_read(
    folder: Path, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("closed.csv", "gone.csv", "news.csv"):
        (folder / name).write_bytes(CONTENT)
    digest = module.digest

    def fail(path: Path) -> str:
        if path.name == "gone.csv":
            raise FileNotFoundError(path)
        if path.name == "closed.csv":
            raise PermissionError(path)
        return digest(path)

    monkeypatch.setattr(module, "digest", fail)
    landed = look()
    assert [file.name for file in landed.files] == ["news.csv"]
    assert landed.waiting == {"that cannot be read": ["closed.csv"]}


def test_other_content_is_another_batch(folder: Path, look: Look) -> None:
    (folder / "news.csv").write_bytes(CONTENT)
    first = batches(look())
    (folder / "news.csv").write_bytes(CONTENT.replace(b"A", b"BB"))
    assert batches(look()) != first
    (folder / "news.csv").write_bytes(CONTENT)
    assert batches(look()) == first


def test_one_content_under_two_names_is_two_batches(folder: Path, look: Look) -> None:
    (folder / "a.csv").write_bytes(CONTENT)
    (folder / "b.csv").write_bytes(CONTENT)
    assert batches(look()) == [f"a-{SHA256[:8]}", f"b-{SHA256[:8]}"]


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("news.2024-01.csv", "news"),
        ("новости.csv", "news"),
        (".csv", "news"),
        ("a b\n(1).csv", "a_b_1_"),
        ("--news=1@x+y.csv", "news=1@x+y"),
        ("x" * 200 + ".csv", "x" * 91),
    ],
)
def test_batch_names(name: str, stem: str) -> None:
    batch = batch_name_of(name, SHA256)
    assert batch == f"{stem}-{SHA256[:8]}"
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._@+=-]{0,99}", batch), "as `fakenews ingest --batch` demands"


def test_odd_names_can_be_fetched(folder: Path, look: Look, tmp_path: Path) -> None:
    for number, name in enumerate(("новости.csv", "a b\n(1).csv", "50%#?.csv", "x" * 200 + ".csv")):
        (folder / name).write_bytes(CONTENT + str(number).encode())
    landed = look()
    assert len(set(batches(landed))) == 4
    for number, file in enumerate(landed.files):
        assert receive(file.uri, tmp_path / str(number)).sha256 == file.identity
    (folder / os.fsdecode(b"caf\xe9.csv")).write_bytes(CONTENT)
    assert look() == Landed(landed.files, {"with a name that is not UTF-8": ["caf?.csv"]})


def test_files_come_in_order_of_arrival(folder: Path, look: Look) -> None:
    for name in ("b.csv", "c.csv", "a.csv"):
        (folder / name).write_bytes(CONTENT)
        time.sleep(0.02)  # longer than the clock of a file system ticks
    assert [file.name for file in look().files] == ["b.csv", "c.csv", "a.csv"]


def test_a_missing_folder_is_empty(folder: Path, look: Look) -> None:
    folder.rmdir()
    assert look() == Landed([], {})
    assert folder.is_dir()


def test_places_that_cannot_be_watched(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Refused, match=r"file cannot be watched .*make it a folder"):
        Landing(root=str(tmp_path / "file")).look(tmp_path)
    for root in ("s3://bucket/news", "gs://"):
        with pytest.raises(BadAddress, match="gs://bucket/prefix"):
            Landing(root=root).look(tmp_path)


def test_a_hash_is_computed_once(folder: Path, look: Look, cache: Path, hashed: list[str]) -> None:
    (folder / "a.csv").write_bytes(CONTENT)
    (folder / "b.csv").write_bytes(CONTENT)
    first = look()
    assert look() == first
    assert hashed == ["a.csv", "b.csv"]
    (folder / "b.csv").write_bytes(CONTENT * 2)
    look()
    assert hashed == ["a.csv", "b.csv", "b.csv"]
    (folder / "a.csv").unlink()
    look()
    assert list(json.loads((cache / "hashes.json").read_bytes())) == ["b.csv"]


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"a.csv": 1}', b"\xff", b'{"a.csv": [[1, 2], "x"]}'])
def test_damaged_hashes_are_computed_anew(
    folder: Path, look: Look, cache: Path, hashed: list[str], damage: bytes
) -> None:
    (folder / "a.csv").write_bytes(CONTENT)
    first = look()
    (cache / "hashes.json").write_bytes(damage)
    assert look() == first
    assert look() == first
    assert hashed == ["a.csv", "a.csv"]


def test_hashing_stops_in_time_and_goes_on(
    folder: Path, look: Look, hashed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.csv", "b.csv"):
        (folder / name).write_bytes(CONTENT)
    clock = iter([0.0, 1.0, module._HASHING_SECONDS + 1.0])
    with monkeypatch.context() as patch:
        patch.setattr(module, "monotonic", lambda: next(clock))
        landed = look()
    assert [file.name for file in landed.files] == ["a.csv"]
    assert landed.waiting == {"left for the next look": ["b.csv"]}
    assert [file.name for file in look().files] == ["a.csv", "b.csv"]
    assert hashed == ["a.csv", "b.csv"]


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[storage.Bucket]:
    port = free_port()
    server = create_server("127.0.0.1", port, in_memory=True, default_bucket="news")
    server.start()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
    yield storage.Client().bucket("news")
    server.stop()


def upload(bucket: storage.Bucket, name: str, content: bytes) -> None:
    bucket.blob(name).upload_from_string(content)


def test_a_bucket(bucket: storage.Bucket, tmp_path: Path) -> None:
    for name in ("other.csv", "landfill.csv", "land/.hidden.csv", "land/x.part", "land/below/news.csv"):
        upload(bucket, name, CONTENT)
    upload(bucket, "land/", b"")
    upload(bucket, "land/scan.pdf", CONTENT)
    upload(bucket, "land/news may.csv", CONTENT)
    md5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
    for root in ("gs://news/land", "gs://news/land/"):
        landed = Landing(root=root).look(tmp_path)
        assert landed.waiting == {
            "of no known format": ["scan.pdf"],
            "in subfolders, which are not watched": ["below/"],
        }
        (file,) = landed.files
        assert (file.name, file.size_bytes, file.identity) == ("news may.csv", len(CONTENT), md5)
        assert file.batch == f"news_may-{md5[:8]}"
        assert re.fullmatch(r"gs://news/land/news may\.csv#\d+", file.uri)
        assert receive(file.uri, tmp_path / "in").sha256 == SHA256
    assert {file.name for file in Landing(root="gs://news").look(tmp_path).files} == {
        "other.csv",
        "landfill.csv",
    }


@pytest.mark.parametrize(
    ("name", "kept_as"),
    [
        ("who won?.csv", "who_won_.csv"),
        ("top #1.csv", "top_1.csv"),
        ("100%25 #7#8.csv", "100_25_7_8.csv"),
        ("a:b.csv", "a_b.csv"),
    ],
)
def test_an_object_may_have_any_name(
    bucket: storage.Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, kept_as: str
) -> None:
    # In the emulator's link to the content the name is not quoted; in Google's it is, as in the client's own.
    monkeypatch.setattr(storage.Blob, "media_link", None)
    upload(bucket, f"land/{name}", CONTENT)
    (file,) = Landing(root="gs://news/land").look(tmp_path).files
    assert file.name == name
    for address in (file.uri, f"gs://news/land/{name}"):
        news = receive(address, tmp_path / "in")
        assert (news.path.name, news.sha256, news.uri) == (kept_as, SHA256, file.uri)


def test_an_overwritten_object_is_another_batch(bucket: storage.Bucket, tmp_path: Path) -> None:
    place = Landing(root="gs://news/land")
    upload(bucket, "land/news.csv", CONTENT)
    first = place.look(tmp_path).files
    upload(bucket, "land/news.csv", CONTENT)
    again = place.look(tmp_path).files
    assert again[0].uri != first[0].uri
    assert again[0].batch == first[0].batch
    upload(bucket, "land/news.csv", CONTENT * 2)
    assert place.look(tmp_path).files[0].batch != first[0].batch


@pytest.mark.usefixtures("bucket")
def test_a_bucket_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no bucket nowhere"):
        Landing(root="gs://nowhere/land").look(tmp_path)


@pytest.mark.server
def test_an_endpoint_that_is_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{free_port()}")
    start = time.monotonic()
    with pytest.raises(Unreachable, match="gs://news/land could not be listed"):
        Landing(root="gs://news/land").look(tmp_path)
    assert time.monotonic() - start < 15


def test_an_endpoint_that_never_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TIMEOUT_S", 0.2)
    monkeypatch.setattr(module, "_RETRY_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(Unreachable):
            Landing(root="gs://news/land").look(tmp_path)
