"""What a command says when it cannot do its work, and that it says it letter by letter."""

import io
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Self

import pytest
from rich.console import Console
from typer.testing import CliRunner

from fakenews_assets.cli import app
from fakenews_assets.cli.errors import CommandFailed
from fakenews_assets.cli.monitoring import reporting
from fakenews_assets.cli.running import GraphRunner
from fakenews_assets.cli.steps import shown_steps
from fakenews_assets.common.progress import Progress
from fakenews_assets.data.splits.splitting import CLUSTERING_FILE, ClusteringSettings, SplitSettings
from fakenews_assets.monitoring.drift.verdict import DriftVerdict
from fakenews_assets.monitoring.performance import PerformanceVerdict
from fakenews_resources.storage.store import Store

LIKE_MARKUP = "a label may not be '[/b]': pip install '.[ray]'"


@pytest.mark.parametrize("command", ["audit", "reproduce", "monitor"])
def test_a_storage_that_cannot_be_used_is_a_message(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKENEWS_STORAGE", "s3://x")
    result = CliRunner().invoke(app, [command])
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert "\nFailed: Cannot store in s3://x: set FAKENEWS_STORAGE to a path" in f"\n{result.output}"


@pytest.mark.parametrize("home", ["/nowhere/at/all", "relative"])
def test_a_home_of_dagster_that_is_no_folder_is_a_message(
    home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", home)
    result = CliRunner().invoke(app, ["register"])
    assert isinstance(result.exception, SystemExit)
    assert f"Failed: DAGSTER_HOME is {home}, which is not the absolute path of a folder." in result.output


def test_a_full_disk_of_dagsters_database_is_a_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(_: int) -> None:
        with closing(sqlite3.connect(tmp_path / "runs.db")) as database:
            database.execute("PRAGMA max_page_count = 1")
            database.execute("CREATE TABLE runs (id)")

    monkeypatch.setattr("fakenews_assets.cli.data.demo.run_demo", fill)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    result = CliRunner().invoke(app, ["demo"])
    assert isinstance(result.exception, SystemExit)
    assert result.exit_code == 1
    said, left = result.output.splitlines()
    assert said == "Failed: The disk is full: database or disk is full"
    assert f" MB are left for DAGSTER_HOME ({tmp_path})." in left
    assert left.endswith("Free space, then run the same command again.")


def test_another_fault_of_the_database_keeps_its_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr("fakenews_assets.cli.data.demo.run_demo", fail)
    assert isinstance(CliRunner().invoke(app, ["demo"]).exception, sqlite3.OperationalError)


def test_a_message_is_not_read_as_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise CommandFailed(LIKE_MARKUP)

    monkeypatch.setattr("fakenews_assets.cli.data.demo.run_demo", fail)
    result = CliRunner().invoke(app, ["demo"])
    assert result.exit_code == 1
    assert result.output == f"Failed: {LIKE_MARKUP}\n"


def test_what_an_asset_reports_is_not_read_as_markup() -> None:
    console = Console(file=io.StringIO(), width=200, force_terminal=True)
    with shown_steps(console, ["clean_news"]) as steps:
        steps.show(Progress("clean_news", 1, 2, "rows", LIKE_MARKUP))
    assert isinstance(console.file, io.StringIO)
    assert LIKE_MARKUP in console.file.getvalue()


def test_the_notes_of_a_report_are_not_read_as_markup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drift = DriftVerdict(
        model_id=None,
        candidate=None,
        rows=1,
        reference_rows=0,
        first=None,
        last=None,
        by_other_models=0,
        repeated=0,
        min_rows=20,
        features=(),
        notes=(LIKE_MARKUP,),
        data_note=LIKE_MARKUP,
    )
    performance = PerformanceVerdict(
        model_id=None,
        candidate=None,
        labels={},
        by_other_models=0,
        min_labels=20,
        max_drop_points=2,
        metrics=None,
        evaluated=None,
    )
    store = Store(tmp_path)
    for key, verdict in (
        ("drift_report/2026-11-01", drift),
        ("performance_report/2026-11-01", performance),
    ):
        draft = store.draft()
        verdict.write(draft.path)
        store.commit(key, draft)

    class Runner:
        def __init__(self) -> None:
            self.console, self.store = Console(), store

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None: ...

        def run(self, *_: Any) -> None: ...

    monkeypatch.setattr(reporting, "GraphRunner", Runner)
    result = CliRunner().invoke(app, ["report", "2026-11-01"])
    assert result.exit_code == 0, result.output
    assert result.output.count(f"{LIKE_MARKUP}\n") == 2


@pytest.mark.usefixtures("project")
def test_a_training_keeps_the_settings_of_the_splits(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(GraphRunner, "run", lambda _, *given: asked.append(given[2]))
    settings = ClusteringSettings(splits=SplitSettings(unseen_publishers=0.2)).model_dump(mode="json")
    with GraphRunner(Console(quiet=True)) as runner:
        draft = runner.store.draft()
        (draft.path / CLUSTERING_FILE).write_text(json.dumps(settings))
        runner.store.commit("splits", draft)
        runner.lifecycle("b1", "sample:rows=500", {"finetuned_bert": {"epochs": 1}})
    assert all(config["article_clusters"] == settings for config in asked)
    assert asked[0]["finetuned_bert"] == {"epochs": 1}
