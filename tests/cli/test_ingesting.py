"""What `fakenews ingest` says of what it admits and refuses, and what it leaves behind."""

from pathlib import Path

import dagster as dg
import pytest
from typer.testing import CliRunner

from fakenews_assets.cli import app
from fakenews_assets.data.partitions import registered_batches

pytestmark = pytest.mark.runs

REFUSAL = "check label_balance of clean_news: 100.0% of the labelled rows are fake"


@pytest.fixture
def refused(project: Path) -> Path:
    """A file that is refused, for all of its rows have one label."""
    file = project / "fakes.csv"
    file.write_text("title,label\n" + "".join(f"Headline number {n} of one site,1\n" for n in range(400)))
    return file


@pytest.mark.daemon
@pytest.mark.parametrize("scheme", ["", "file://"], ids=["path", "address"])
def test_a_refused_batch_is_refused_again(refused: Path, scheme: str) -> None:
    said = []
    for options in ([], [], ["--train"], []):
        result = CliRunner().invoke(app, ["ingest", f"{scheme}{refused}", *options])
        assert result.exit_code == 1, result.output
        assert isinstance(result.exception, SystemExit)
        assert "Ingested" not in result.output
        said.append(result.stderr)
    assert said[0].startswith(f"Failed: {REFUSAL}")
    assert "Ingest both labels in one file, or raise `first_batch_max_skew`" in said[0]
    assert "is stored, but it is not part of the corpus" in said[0]
    assert said == said[:1] * 4


@pytest.mark.parametrize("address", ["nofile.csv", "file:///nofile.csv", "file://elsewhere/news.csv"])
def test_what_is_not_there_leaves_nothing_behind(project: Path, address: str) -> None:
    result = CliRunner().invoke(app, ["ingest", address])
    assert result.exit_code == 1
    assert "Failed:" in result.stderr
    assert sorted(path.name for path in project.iterdir()) == ["dagster.yaml"]


def test_a_path_starts_at_the_working_directory(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    below = project / "below"
    below.mkdir()
    for folder, rows in ((project, 40), (below, 50)):
        lines = [f"Headline {n} of {folder.name},{n % 2}\n" for n in range(rows)]
        (folder / "news.csv").write_text("title,label\n" + "".join(lines))
    monkeypatch.chdir(below)
    result = CliRunner().invoke(app, ["ingest", "news.csv"], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    assert "The corpus has 50 labelled articles" in result.output
    assert "is a folder" in CliRunner().invoke(app, ["ingest", "../below"]).stderr


def test_a_source_that_names_no_publisher_is_refused_in_words(project: Path) -> None:
    (project / "news.csv").write_text("title\nA headline\n")
    result = CliRunner().invoke(app, ["ingest", "news.csv", "--source", "nan"])
    assert result.exit_code == 1
    assert "Failed: RawNewsSettings: source" in result.stderr
    assert "names no publisher" in result.stderr


@pytest.mark.usefixtures("project")
def test_what_cannot_be_received_leaves_no_partition() -> None:
    result = CliRunner().invoke(app, ["ingest", "sample:colour=red", "--batch", "b1"])
    assert result.exit_code == 1
    assert "is no setting" in result.stderr
    with dg.DagsterInstance.get() as instance:
        assert registered_batches(instance) == []


def test_an_admitted_batch_says_what_comes_next_and_its_copy_is_refused(project: Path) -> None:
    rows = [f"Headline number {n} of one site,{n % 2}\n" for n in range(60)]
    file, copy = project / "news.csv", project / "copy.csv"
    file.write_text("title,label\n" + "".join(rows) + ",1\n")
    copy.write_bytes(file.read_bytes())
    result = CliRunner().invoke(app, ["ingest", str(file)], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    assert "1 empty title: nothing left after cleaning (first at row 60)" in result.output
    assert "The corpus has 60 labelled articles that no model was trained on. Next:" in result.output
    with dg.DagsterInstance.get() as instance:
        (batch,) = registered_batches(instance)
    refusal = CliRunner().invoke(app, ["ingest", str(copy), "--batch", "copy"])
    assert refusal.exit_code == 1
    assert f"holds the same bytes as batch '{batch}'" in refusal.stderr
    assert f"fakenews ingest FILE --batch {batch}" in refusal.stderr
    with dg.DagsterInstance.get() as instance:
        assert registered_batches(instance) == [batch]
        assert len(instance.get_runs()) == 1, "a copy starts no run"
