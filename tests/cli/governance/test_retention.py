"""`fakenews prune`, `erase` and `retire-batch`, as they are called."""

import os
import time

import polars as pl
import pytest
from dagster import DagsterRunStatus
from rich.console import Console
from typer.testing import CliRunner, Result

from fakenews_assets.cli import app
from fakenews_assets.cli.running import GraphRunner
from fakenews_resources.storage.hashing import hash_files
from tests.governance.erasure.conftest import held_by, subject_of
from tests.support.watched import Watched


def run(*arguments: object, answer: str | None = None) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)), input=answer, env={"COLUMNS": "200"})


@pytest.fixture
def outdated(watched: Watched) -> str:
    """A version, three days old, that is not needed."""
    versions = []
    for content in ("old", "new"):
        draft = watched.store.draft()
        (draft.path / "value").write_text(content)
        versions.append(watched.store.commit("notes", draft).version)
    then = time.time() - 3 * 24 * 3600
    for path in watched.store.root.rglob("*"):
        os.utime(path, (then, then))
    return versions[0]


def test_pruning_shows_asks_and_removes(watched: Watched, outdated: str) -> None:
    before = hash_files(watched.store.root)
    shown = run("prune", "--dry-run")
    assert (shown.exit_code, hash_files(watched.store.root)) == (0, before)
    assert outdated[:8] in shown.output
    assert "Nothing was deleted" in shown.output
    assert "Nothing was deleted" in run("prune", answer="n\n").output
    assert run("prune", answer="").exit_code == 1  # nobody to ask
    assert hash_files(watched.store.root) == before

    removed = run("prune", "--yes", "--by", "somebody")
    assert removed.exit_code == 0, removed.output
    assert "finding what is still needed: done in" in removed.output
    assert "deleting: done in" in removed.output
    assert "Deleted 1 versions and bundles" in removed.output
    assert outdated not in watched.store.versions("notes")
    assert "Nothing to prune" in run("prune").output


def create_run(status: DagsterRunStatus) -> None:
    """A run of the graph that is at work, or waits."""
    with GraphRunner(Console(quiet=True)) as runner:
        job = runner.defs.resolve_job_def("prepare_corpus")
        runner.instance.create_run_for_job(job, status=status)


@pytest.mark.usefixtures("outdated")
@pytest.mark.parametrize("status", [DagsterRunStatus.CANCELING, DagsterRunStatus.NOT_STARTED])
def test_nothing_is_deleted_while_a_run_is_at_work_or_waits(
    watched: Watched, status: DagsterRunStatus
) -> None:
    create_run(status)
    for command in (("prune", "--yes"), ("erase", "0" * 32, "--reason", "x", "--yes")):
        result = run(*command)
        assert result.exit_code == 1
        assert "Runs in progress: prepare_corpus" in result.output
    assert not (watched.store.root / "tombstones").exists()


def test_nothing_is_deleted_if_a_run_starts_while_a_person_confirms(
    watched: Watched, outdated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def confirm_late(_: str) -> bool:
        create_run(DagsterRunStatus.STARTED)
        return True

    monkeypatch.setattr("typer.confirm", confirm_late)
    result = run("prune")
    assert result.exit_code == 1
    assert "Runs in progress: prepare_corpus" in result.output
    assert outdated in watched.store.versions("notes")


def test_an_article_is_erased_by_its_title(watched: Watched) -> None:
    subject = subject_of(watched.store, "train")
    reason = ("--reason", "order 17", "--yes")
    assert "Name the article: give its id, or --title" in run("erase", *reason).output
    assert "has this title" in run("erase", "--title", subject.title[:-1], *reason).output
    result = run("erase", "--title", f" {subject.title.upper()} ", *reason, "--raw")
    assert result.exit_code == 0, result.output
    assert held_by(watched.store, subject.title) == []


def test_articles_of_one_title_are_listed_and_none_is_erased(watched: Watched) -> None:
    twice = pl.DataFrame({"title": ["Two of one title"] * 2, "text": ["The first.", "The second."]})
    watched.answer(twice)
    result = run("erase", "--title", "Two of one title", "--reason", "x", "--yes")
    assert result.exit_code == 1
    assert "Several articles have this title" in result.output
    assert "The first." in result.output
    assert "The second." in result.output
    assert not (watched.store.root / "tombstones").exists()


def test_erasing_says_what_still_holds_it(watched: Watched) -> None:
    subject = subject_of(watched.store, "train")
    command = ["erase", subject.article_id, "--reason", "order 17", "--by", "the court"]
    assert "Nothing was erased" in run(*command, answer="n\n").output
    result = run(*command, "--yes")
    assert result.exit_code == 0, result.output
    assert "erasing: done in" in result.output
    assert "train.parquet" in result.output
    assert "Not erased: the raw bytes of raw_news/b1" in result.output
    assert watched.champion in result.output
    assert "Next: materialize clean_news of b1" in result.output
    assert subject.title not in result.output

    audit = run("audit")
    assert audit.exit_code == 0, audit.output
    assert "by the court: order 17" in " ".join(audit.output.split())
    assert "there was nothing left to erase" in run(*command, "--yes").output
    result = run(*command, "--yes", "--raw")
    assert "Not erased: the raw bytes" not in result.output
    assert held_by(watched.store, subject.title) == []
    assert run("audit").exit_code == 0


def test_erasing_names_the_file_of_a_cut_line_and_near_duplicates(watched: Watched) -> None:
    subject = subject_of(watched.store, "train", clustered=True)
    watched.answer(subject.frame())
    (segment,) = watched.store.root.rglob("predictions-*.jsonl")
    segment.write_bytes(segment.read_bytes()[:-20])
    result = run("erase", subject.article_id, "--reason", "order 17", "--yes", "--raw")
    assert result.exit_code == 0, result.output
    assert f"Blanked as a whole: 1 lines of {segment}" in result.output
    assert "Not erased: near-duplicates, articles of their own: " in result.output
    assert subject.title.encode() not in segment.read_bytes()


@pytest.mark.usefixtures("watched")
def test_an_unknown_article_ends_with_status_1() -> None:
    result = run("erase", "0" * 32, "--reason", "x", "--yes")
    assert result.exit_code == 1
    assert "Take its id from" in result.output


def test_a_batch_is_retired_with_its_partition(watched: Watched) -> None:
    draft = watched.store.draft()
    (draft.path / "value").write_text("x")
    watched.store.commit("raw_news/b2", draft)
    with GraphRunner(Console(quiet=True)) as runner:
        runner.add_batch("b2")
    assert run("retire-batch", "b1", "--reason", "x", "--yes").exit_code == 1
    assert "Nothing was deleted" in run("retire-batch", "b2", "--reason", "x", answer="n\n").output
    result = run("retire-batch", "b2", "--reason", "the licence ended", "--yes")
    assert result.exit_code == 0, result.output
    assert watched.store.partitions("raw_news") == {"b1"}
    with GraphRunner(Console(quiet=True)) as runner:
        assert runner.instance.get_dynamic_partitions("news_batches") == ["b1"]
    assert "No batch" in run("retire-batch", "b2", "--reason", "x", "--yes").output
