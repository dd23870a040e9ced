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
    assert "--label real --label fake" in said[0]
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
    (below / "Fake.csv").touch()
    (below / "True.csv").touch()
    assert f"fakenews ingest isot:{below}/../below." in CliRunner().invoke(app, ["ingest", "../below"]).stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["izot:folder"], "Or is izot a recipe? Known are fakenewsnet, isot, jruvika"),
        (["liar:"], "Name the folder of liar: liar:FOLDER."),
        (["news.csv", "news.csv"], "news.csv is named twice. Name each file once."),
        (["news.csv", "--label", "true"], "--label: true: the label of a file is real or fake"),
        (["news.csv", "--labels", "0=right"], "--labels: right: a label means one of real, fake, unlabelled"),
        (["news.csv", "--column", "headline=title"], "the field comes first: write title=headline"),
        (["news.csv", "--column", "headline=x"], "--column: headline: not one of title, text, label"),
        (["news.csv", "--label", "real", "--label", "fake"], "in their order (files: 1, labels: 2)"),
        (["gs://"], "gs:// names no object"),
        (["news.csv", "gs://"], "gs:// names no object"),
    ],
)
def test_a_wrong_command_says_what_to_do(project: Path, arguments: list[str], said: str) -> None:
    (project / "news.csv").write_text("title\nA headline\n")
    result = CliRunner().invoke(app, ["ingest", *arguments], env={"COLUMNS": "200"})
    assert isinstance(result.exception, SystemExit)
    assert result.exit_code
    assert said in result.stderr


def test_a_source_that_names_no_publisher_is_refused_in_words(project: Path) -> None:
    (project / "news.csv").write_text("title\nA headline\n")
    result = CliRunner().invoke(app, ["ingest", "news.csv", "--source", "nan"])
    assert result.exit_code == 1
    assert "Failed: --source: " in result.stderr
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
    assert "1 empty title: empty, or a word for a missing value (first at row 61, line 62)" in result.output
    assert (
        "The corpus has 60 labelled articles that no model was trained on, repeats counted. Next:"
        in result.output
    )
    with dg.DagsterInstance.get() as instance:
        (batch,) = registered_batches(instance)
    refusal = CliRunner().invoke(app, ["ingest", str(copy), "--batch", "copy"])
    assert refusal.exit_code == 1
    assert f"holds the same bytes as batch '{batch}'" in refusal.stderr
    assert f"fakenews ingest FILE --batch {batch}" in refusal.stderr
    with dg.DagsterInstance.get() as instance:
        assert registered_batches(instance) == [batch]
        assert len(instance.get_runs()) == 1, "a copy starts no run"


def test_articles_of_earlier_batches_are_counted(project: Path) -> None:
    def write(name: str, first: int) -> list[str]:
        rows = [f"Headline number {n} of one site,{n % 2}\n" for n in range(first, first + 40)]
        (project / name).write_text("title,label\n" + "".join(rows))
        return ["ingest", name, "--batch", name.removesuffix(".csv")]

    for name, first, said in (
        ("one.csv", 0, ""),
        ("two.csv", 30, "10 of 40 "),
        ("three.csv", 15, "40 of 40 "),
    ):
        result = CliRunner().invoke(app, write(name, first))
        assert result.exit_code == 0, result.output
        assert ("articles are in earlier batches too" in result.output) == bool(said)
        assert f"{said}articles are in earlier" in result.output or not said
    again = CliRunner().invoke(app, write("one.csv", 0))
    assert "earlier batches" not in again.output, "the others are later"


def test_what_no_model_can_be_trained_on_is_said_at_once(project: Path) -> None:
    (project / "fakes.csv").write_text(
        "title,label,date\n" + "".join(f"Headline number {n} of one site,1,day {n}\n" for n in range(15))
    )
    why = "A training needs articles of both classes, and the corpus has 0 real and 15 fake ones."
    result = CliRunner().invoke(app, ["ingest", "fakes.csv", "--batch", "fakes"])
    assert result.exit_code == 0, result.output
    assert why in result.stdout
    assert "--train" not in result.stdout
    assert "Labels are read as 1 = fake." in result.stdout
    assert "15 values of the column of dates are no date that can be read, such as 'day 0'." in result.stdout
    trained = CliRunner().invoke(app, ["ingest", "fakes.csv", "--batch", "fakes", "--train"])
    assert trained.exit_code == 1
    assert trained.stderr.startswith(f"Failed: {why}")
    refused = CliRunner().invoke(app, ["ingest", "fakes.csv", "--batch", "fakes", "--labels", "1=unlabelled"])
    assert "the corpus has 0 real and 0 fake ones. Name the column of labels" in refused.stdout
    with dg.DagsterInstance.get() as instance:
        assert len(instance.get_runs()) == 2


def test_a_refused_version_leaves_the_accepted_one(project: Path) -> None:
    (project / "news.csv").write_text(
        titles_of("Minister says", label=",0") + titles_of("WATCH!", label=",1")[17:]
    )
    command = ["ingest", "news.csv", "--batch", "news"]
    assert CliRunner().invoke(app, command).exit_code == 0
    refused = CliRunner().invoke(app, [*command, "--labels", "0=fake,1=real"])
    assert refused.exit_code == 1
    assert "The version of batch news that was accepted before still counts." in refused.stderr
    assert "is not part of the corpus" not in refused.stderr


def titles_of(style: str, label: str = "", rows: int = 60) -> str:
    lines = [f"{style} number {n} of them all,Text {n}{label}\n" for n in range(rows)]
    return f"title,text{',label' if label else ''}\n" + "".join(lines)


def test_several_files_make_one_batch(project: Path) -> None:
    (project / "True.csv").write_text(titles_of("Minister says"))
    (project / "Fake.csv").write_text(titles_of("SHOCKING! You won't believe"))
    labels = ["--label", "real", "--label", "fake"]
    wrong = CliRunner().invoke(app, ["ingest", "True.csv", "Fake.csv", "--label", "real"])
    assert wrong.exit_code == 2
    result = CliRunner().invoke(app, ["ingest", "True.csv", "Fake.csv", *labels], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    assert (
        "Columns: title, text; ignored: none. 0 texts are empty, 0 rows unlabelled, 120 undated."
        in result.output
    )
    with dg.DagsterInstance.get() as instance:
        (batch,) = registered_batches(instance)
    assert batch.startswith("True-")


def test_a_question_is_answered_and_a_refusal_overruled(project: Path) -> None:
    rows = [
        f"{style} number {n} of them all,{word}\n"
        for style, word in (("Minister says", "true"), ("SHOCKING! You won't believe", "false"))
        for n in range(60)
    ]
    (project / "claims.csv").write_text("Statement,Label\n" + "".join(rows))
    command = ["ingest", "claims.csv", "--batch", "claims"]
    asked = CliRunner().invoke(app, command)
    assert "--column title=Statement" in asked.stderr
    command += ["--column", "title=Statement"]
    asked = CliRunner().invoke(app, command)
    assert "--labels false=fake,true=real " in asked.stderr
    refused = CliRunner().invoke(app, [*command, "--labels", "false=real,true=fake"])
    assert (asked.exit_code, refused.exit_code) == (1, 1)
    assert "--labels false=fake,true=real." in refused.stderr
    assert "If the labels are right, admit the batch: fakenews admit claims --because" in refused.stderr
    kept = CliRunner().invoke(app, command[:4])
    assert "Kept from before: --column title=Statement --labels false=real,true=fake." in kept.stdout
    assert kept.stderr == refused.stderr
    forgotten = CliRunner().invoke(app, [*command[:4], "--labels", ""])
    assert "Kept from before: --column title=Statement. To drop" in forgotten.stdout
    assert "do not say which articles are fake" in forgotten.stderr
    CliRunner().invoke(app, [*command, "--labels", "false=real,true=fake"])
    again = CliRunner().invoke(app, ["admit", "other", "--because", "x"])
    assert "Refused are: claims." in again.stderr
    result = CliRunner().invoke(app, ["admit", "claims", "--because", "satire", "--by", "Ada"])
    assert result.exit_code == 0, result.output
    assert "by Ada: satire." in result.output.replace("\n", " ")
    assert "already" in CliRunner().invoke(app, ["admit", "claims", "--because", "x"]).stderr
