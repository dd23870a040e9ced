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


def test_a_step_that_is_tried_again_says_why() -> None:
    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=1))
    def splits() -> None:
        raise dg.Failure("https://a.example could not be fetched: refused", allow_retries=True)

    file = io.StringIO()
    with dg.DagsterInstance.ephemeral() as instance, shown_steps(Console(file=file), ["splits"]) as steps:
        run = dg.materialize([splits], instance=instance, raise_on_error=False)
        (retried,) = instance.get_records_for_run(
            run.run_id, of_type=dg.DagsterEventType.STEP_UP_FOR_RETRY
        ).records
        steps.mark(retried.event_log_entry)
    assert file.getvalue() == "splits: tries again in 0 s: https://a.example could not be fetched: refused\n"
