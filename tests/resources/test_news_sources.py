import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import polars as pl
import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from fakenews_assets.data.fields.columns import read_raw
from fakenews_resources.news import file as file_source
from fakenews_resources.news.base import (
    BadAddress,
    Changed,
    NotFound,
    Refused,
    file_name,
    without_credentials,
)
from fakenews_resources.news.registry import receive

CONTENT = b"title,label\nA,1\n"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    folder = tmp_path / "landing zone"
    folder.mkdir()
    (folder / "news, may.csv").write_bytes(CONTENT)
    return folder


@pytest.mark.parametrize("as_url", [False, True])
def test_a_local_file_is_copied(landing: Path, tmp_path: Path, as_url: bool) -> None:
    source = landing / "news, may.csv"
    before = source.stat()
    seen: list[tuple[int, int | None]] = []
    into = tmp_path / "a" / "b"
    news = receive(source.as_uri() if as_url else str(source), into, progress=lambda *step: seen.append(step))
    assert news.path == into / "news_may.csv"
    assert news.path.read_bytes() == CONTENT
    assert (news.uri, news.sha256, news.size_bytes, news.suffix) == (
        source.as_uri(),
        SHA256,
        len(CONTENT),
        ".csv",
    )
    assert source.read_bytes() == CONTENT
    assert source.stat().st_mtime_ns == before.st_mtime_ns
    assert seen == [(len(CONTENT), len(CONTENT))]
    assert [path.name for path in into.iterdir()] == ["news_may.csv"]
    assert receive(news.uri, tmp_path / "again").sha256 == SHA256, "the provenance fetches the same bytes"


def test_a_relative_path_with_a_colon(landing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (landing / "news:may.csv").write_bytes(CONTENT)
    monkeypatch.chdir(landing)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    assert receive("news:may.csv", tmp_path / "in").uri == (landing / "news:may.csv").as_uri()


def test_local_files_that_cannot_be_had(landing: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"no file at .*none\.csv: check the path"):
        receive(str(landing / "none.csv"), tmp_path / "in")
    with pytest.raises(BadAddress, match="is not a file"):
        receive(str(landing), tmp_path / "in")
    with pytest.raises(BadAddress, match="names the host 'data'"):
        receive("file://data/news.csv", tmp_path / "in")
    assert not (tmp_path / "in").exists()


def test_a_file_is_not_copied_onto_itself(landing: Path) -> None:
    source = landing / "news.csv"
    source.write_bytes(CONTENT)
    with pytest.raises(BadAddress, match="move it elsewhere"):
        receive(str(source), landing)
    assert source.read_bytes() == CONTENT


def test_a_file_that_is_still_written_is_not_delivered(
    landing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = landing / "news, may.csv"
    monkeypatch.setattr(file_source, "_COPY_BYTES", 4)

    def write_on(arrived: int, total: int | None) -> None:
        if arrived == total:
            with source.open("ab") as file:
                file.write(b"B,0\n")

    with pytest.raises(Changed, match="wait until it is written"):
        receive(str(source), tmp_path / "in", progress=write_on)
    assert list((tmp_path / "in").iterdir()) == []


@pytest.mark.parametrize(
    ("uri", "named"),
    [
        ("ftp://host/news.csv", "unknown scheme ftp; known are sample, welfake, http"),
        ("welfake:2021", "takes no settings"),
        ("sample:rows=5,colour=red", "'colour=red' is no setting; .*names of rows, seed, era"),
        ("sample:rows", "'rows' is no setting"),
        ("sample:rows=5,rows=6", "rows is given twice"),
        ("sample:rows=many", "rows='many': .*valid integer"),
        ("sample:rows=-1", "rows='-1'"),
        ("http://", "check the address"),
        ("gs://bucket", "names no object"),
        ("gs://bucket/", "names no object"),
        ("gs:///news.csv", "names no object"),
    ],
)
def test_bad_addresses(tmp_path: Path, uri: str, named: str) -> None:
    with pytest.raises(BadAddress, match=named):
        receive(uri, tmp_path)


def test_sample_is_deterministic_and_names_all_its_settings(tmp_path: Path) -> None:
    first = receive("sample:seed=3, rows=120", tmp_path / "1")
    assert first.uri.startswith("sample:rows=120,seed=3,era=0")
    again = receive(first.uri, tmp_path / "2")
    assert (again.uri, again.sha256) == (first.uri, first.sha256)
    assert receive("sample:rows=120,seed=4", tmp_path / "3").sha256 != first.sha256
    rows = pl.concat(chunk.rows for chunk in read_raw(first.path))
    assert rows.height == 120


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("https://host/a/news.csv.gz?x=1#y", "news.csv.gz"),
        ("https://host/a/%2e%2e%2fetc%2fpasswd", "passwd"),
        ("https://host/..", "news"),
        ("https://host/", "news"),
        ("https://host/.hidden nàme.csv", "hidden_n_me.csv"),
    ],
)
def test_file_names_are_safe(uri: str, name: str) -> None:
    assert file_name(uri) == name


def test_without_credentials() -> None:
    assert without_credentials("https://me:p%40ss@host:8080/a?b=c") == "https://host:8080/a?b=c"
    assert without_credentials("https://host/a") == "https://host/a"


class FakeGcs(BaseHTTPRequestHandler):
    """The two calls of Google's JSON API that a download makes, with two generations of one object."""

    objects = {"1": b"title,label\nold,1\n", "2": CONTENT}  # noqa: RUF012 (never changed)

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        name = unquote(url.path.rpartition("/o/")[2])
        query = parse_qs(url.query)
        generation = query.get("generation", query.get("ifGenerationMatch", ["2"]))[0]
        if "/b/closed/" in url.path:
            return self.answer(403, b"{}")
        if name != "land/news.csv" or generation not in self.objects:
            return self.answer(404, b"{}")
        content = self.objects[generation]
        if query.get("alt") == ["media"]:
            return self.answer(200, content)
        about = {"name": name, "bucket": "news", "generation": generation, "size": str(len(content))}
        return self.answer(200, json.dumps(about).encode())

    def answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test output quiet."""


@pytest.fixture
def gcs() -> Iterator[storage.Client]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), FakeGcs)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield storage.Client(
        project="test",
        credentials=AnonymousCredentials(),
        client_options={"api_endpoint": f"http://127.0.0.1:{server.server_port}"},
    )
    server.shutdown()
    server.server_close()
    thread.join()


def test_gcs_object(gcs: storage.Client, tmp_path: Path) -> None:
    news = receive("gs://news/land/news.csv", tmp_path, gcs_client=gcs)
    assert news.path == tmp_path / "news.csv"
    assert news.path.read_bytes() == CONTENT
    assert (news.uri, news.sha256) == ("gs://news/land/news.csv#2", SHA256)
    assert [path.name for path in tmp_path.iterdir()] == ["news.csv"]


def test_gcs_object_of_one_generation(gcs: storage.Client, tmp_path: Path) -> None:
    news = receive("gs://news/land/news.csv#1", tmp_path, gcs_client=gcs)
    assert news.uri == "gs://news/land/news.csv#1"
    assert news.path.read_bytes() == FakeGcs.objects["1"]


def test_gcs_objects_that_cannot_be_had(gcs: storage.Client, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="check bucket, name and generation"):
        receive("gs://news/land/none.csv", tmp_path, gcs_client=gcs)
    with pytest.raises(NotFound, match="check bucket, name and generation"):
        receive("gs://news/land/news.csv#latest", tmp_path, gcs_client=gcs)
    with pytest.raises(Refused, match="gcloud auth application-default login"):
        receive("gs://closed/land/news.csv", tmp_path, gcs_client=gcs)
    assert list(tmp_path.iterdir()) == []
