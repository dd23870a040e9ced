"""The audit as an asset, in real runs."""

import shutil

import pytest
from rich.console import Console

from fakenews_assets.cli.errors import CommandFailed
from fakenews_assets.cli.running import GraphRunner
from fakenews_assets.governance.audit.report import AUDIT_FILE, REPORT_FILE
from tests.governance.audit.conftest import Project, flip_byte


def run() -> None:
    with GraphRunner(Console(quiet=True)) as runner:
        runner.run("audit_champion", None, {}, {"audit_report"})


def test_the_check_passes_on_a_sound_chain_and_fails_on_a_fault(project: Project) -> None:
    run()
    report = project.store.current("audit_report")
    assert report.meta == {"bundle": project.bundle.name, "intact": True}
    assert report.read_json(AUDIT_FILE)["intact"] is True
    assert "The chain is intact" in (report.path / REPORT_FILE).read_text()

    flip_byte(project.stored("splits").path / "train.parquet")
    with pytest.raises(
        CommandFailed, match=r"chain_is_intact of audit_report: The chain is broken.*\n.*train\.parquet"
    ):
        run()
    # The audit itself is kept to be looked at, and takes no place of one that passed.
    refused = project.store.refused("audit_report")
    assert refused is not None
    assert refused.meta["intact"] is False
    assert project.store.current("audit_report").meta["intact"] is True


def test_a_damaged_selection_is_a_finding_too(project: Project) -> None:
    project.record("selected_model").write_text("{")
    with pytest.raises(CommandFailed, match=r"version selected_model .*: cannot be read"):
        run()


def test_without_a_champion_the_run_says_what_to_do(project: Project) -> None:
    shutil.rmtree(project.models)
    with pytest.raises(CommandFailed, match=r"There is no champion in .*select_champion"):
        run()
