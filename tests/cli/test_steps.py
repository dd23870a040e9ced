"""How a run's steps look where output is kept: in a file, a pipe, or a job's log."""

import io

import dagster as dg
import pytest
from rich.console import Console

from fakenews_assets.cli.steps import shown_steps
from fakenews_assets.common import progress
from fakenews_assets.common.progress import Progress


def test_without_a_terminal_a_step_is_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    file = io.StringIO()
    with shown_steps(
        Console(file=file, width=20), ["splits", "evaluation"], ["evaluation"], " [baseline]"
    ) as steps:
        steps.start("evaluation")
        steps.show(Progress("evaluation", 512, 700, "articles", "predicting the test split"))
        steps.show(Progress("another", 1, 2, "rows"))
        steps.finish("evaluation", failed=False)
        steps.start("evaluation")
        steps.finish("evaluation", failed=True)
    assert file.getvalue().splitlines() == [
        "splits [baseline]: up to date",
        "evaluation [baseline]: 512 of 700 articles (73%), predicting the test split",
        "evaluation [baseline]: done in 0:00",
        "evaluation [baseline]: failed after 0:00",
    ]


def test_a_step_that_runs_elsewhere_is_shown_by_its_log() -> None:
    file = io.StringIO()

    def logged(text: str) -> dg.EventLogEntry:
        return dg.EventLogEntry(
            None, 20, text, run_id="", timestamp=0.0, step_key="splits", job_name=None, dagster_event=None
        )

    with shown_steps(Console(file=file), ["splits"]) as steps:
        steps.start("splits")
        steps.mark(logged("splits: 3 of 5 batches (60%)"))
        steps.mark(logged("one of many other messages"))
    assert file.getvalue() == "splits: 3 of 5 batches (60%)\n"
