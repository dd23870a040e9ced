"""How a run's steps look where output is kept: in a file, a pipe, or a job's log."""

import io

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
