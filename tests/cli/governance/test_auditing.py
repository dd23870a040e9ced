import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fakenews_assets.cli import app
from fakenews_assets.common import progress
from tests.governance.erasure.conftest import subject_of
from tests.support.sealed import make_keys
from tests.support.watched import Watched, sample_articles


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["audit", *map(str, arguments)])


def test_a_sound_chain_ends_with_status_0(watched: Watched) -> None:
    (request_id,) = watched.answer(sample_articles(1), datetime.now(UTC).date())
    for asked in ((), (watched.champion[:8],), (request_id, "--row", 1)):
        result = run(*asked)
        assert result.exit_code == 0, result.output
        assert "recomputing the chain: done in" in result.output
        assert "The chain is intact" in result.output


def test_exported_evidence_is_verified_and_tampering_ends_with_status_1(
    watched: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private, public = make_keys(tmp_path)
    monkeypatch.setenv("FAKENEWS_HEADS", str(tmp_path / "heads"))
    (request_id,) = watched.answer(sample_articles(1), datetime.now(UTC).date())
    for command in (["sign", watched.champion[:8], "--key", str(private)], ["seal"]):
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0, result.output
    monkeypatch.setenv("FAKENEWS_VERIFYING_KEY", str(public))
    export = tmp_path / "evidence"
    assert run(request_id, "--export", export).exit_code == 0
    assert "is not empty" in run(request_id, "--export", export).output

    verify = ["verify", str(export), "--heads", str(tmp_path / "heads")]
    result = CliRunner().invoke(app, verify)
    assert result.exit_code == 0, result.output
    assert "signature" in result.output
    (lines,) = export.glob("service_log/*/predictions-*.jsonl")
    lines.write_text(lines.read_text().replace('"row": 1', '"row": 2'))
    assert CliRunner().invoke(app, verify).exit_code == 1


def test_a_request_of_several_rows_asks_for_one_of_them(watched: Watched) -> None:
    request_id = watched.answer(sample_articles(3), datetime.now(UTC).date(), together=True)[0]
    result = run(request_id)
    assert result.exit_code == 1
    assert "has 3 rows, 1 to 3. Say which with --row" in " ".join(result.output.split())
    assert run(request_id, "--row", 2).exit_code == 0


def test_an_answer_whose_article_was_erased_says_so_with_its_tombstone(watched: Watched) -> None:
    subject = subject_of(watched.store, "train")
    request_id, _ = watched.answer(subject.frame(), datetime.now(UTC).date())
    erase = ["erase", subject.article_id, "--reason", "order 17", "--by", "the court", "--yes"]
    assert CliRunner().invoke(app, erase).exit_code == 0
    result = run(request_id)
    told = " ".join(result.output.split())
    assert result.exit_code == 0, result.output
    assert "the article was erased on 20" in told
    assert "UTC by the court: order 17" in told
    assert "holds no titles" not in told


def test_a_broken_one_ends_with_status_1_and_names_the_fault(watched: Watched) -> None:
    (watched.store.bundles.root / watched.champion / "model_card.md").write_text("# A better card\n")
    result = run()
    assert result.exit_code == 1
    assert "bundle model_card.md: changed" in result.output
    assert "The chain is broken: 1 of" in result.output


@pytest.mark.usefixtures("watched")
def test_output_that_is_kept_counts_the_checks_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LINE_SECONDS", 0)
    assert re.search(r"^recomputing the chain: \d+ checks", run().output, re.MULTILINE)


@pytest.mark.usefixtures("watched")
def test_what_is_not_there_ends_with_status_1_and_says_what_to_do() -> None:
    result = run("00000000")
    assert result.exit_code == 1
    assert "Give at least eight digits" in result.output
    result = run("no-request")
    assert result.exit_code == 1
    assert "is not a request id" in result.output
