"""The sensor that tells people which runs failed, why, and what to do next."""

import os
from typing import Final

import dagster as dg

from fakenews_assets.automation.runs import failed_steps, failure_reasons
from fakenews_resources.launcher import is_of_command
from fakenews_resources.notifier import Notice, Notifier

_LONGEST_REASON: Final = 1500
"""Characters: chats refuse messages of some thousands."""


@dg.run_failure_sensor(
    name="failure_notifier",
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Sends one notice for each failed run: to FAKENEWS_WEBHOOK if it is set, else to the log.",
)
def failure_notifier(context: dg.RunFailureSensorContext, notifier: Notifier) -> None:
    """Send one notice for each run of this code location that fails.

    A run that a `fakenews` command executes itself gets none: its terminal says why it failed.
    """
    if is_of_command(context.dagster_run):
        return
    notifier.notify(_failure_notice(context.instance, context.dagster_run))


def _failure_notice(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Notice:
    partition = run.tags.get("dagster/partition")
    retried = run.tags.get("dagster/will_retry") == "true"
    next_step = (
        "Dagster retries it."
        if retried
        else "Dagster does not retry it: fix the cause, then re-execute it from its page."
    )
    reasons = [_shortened(reason) for reason in failure_reasons(instance, run.run_id)]
    failed = ", ".join(failed_steps(instance, run.run_id)) or run.job_name
    address = os.environ.get("FAKENEWS_UI_URL", "http://127.0.0.1:3000").rstrip("/")
    return Notice(
        title=f"{failed}{f' [{partition}]' if partition else ''} failed",
        text="\n".join([*reasons, f"Run {run.run_id} of {run.job_name}. {next_step}"]),
        severity="warning" if retried else "error",
        run_id=run.run_id,
        link=f"{address}/runs/{run.run_id}" if address else None,
    )


def _shortened(reason: str) -> str:
    return reason if len(reason) <= _LONGEST_REASON else f"{reason[:_LONGEST_REASON]}..."
