"""Tells people which runs failed, why, and what to do next."""

import os
from collections import defaultdict
from typing import Final

import dagster as dg
from dagster_shared.error import SerializableErrorInfo

from fakenews_resources.notifier import Notice, Notifier

_LONGEST_REASON: Final = 1500
"""Characters: chats refuse messages of some thousands."""


@dg.run_failure_sensor(
    name="failure_notifier",
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="One notice for each failed run: to FAKENEWS_WEBHOOK if it is set, else to the log.",
)
def failure_notifier(context: dg.RunFailureSensorContext, notifier: Notifier) -> None:
    """Send one notice for each run of this code location that fails.

    A run of the `fakenews` command belongs to no code location: its terminal says why it failed.
    """
    notifier.notify(failure_notice(context))


def failure_notice(context: dg.RunFailureSensorContext) -> Notice:
    """What to say of a failed run."""
    run = context.dagster_run
    partition = run.tags.get("dagster/partition")
    repeats = run.tags.get("dagster/will_retry") == "true"
    next_step = (
        "Dagster starts it once more by itself."
        if repeats
        else "Nothing repeats it by itself: mend the cause, then re-execute it from its page."
    )
    address = os.environ.get("FAKENEWS_UI_URL", "http://127.0.0.1:3000").rstrip("/")
    return Notice(
        title=f"{run.job_name}{f' [{partition}]' if partition else ''} failed",
        text="\n".join([*_reasons(context), f"Run {run.run_id}. {next_step}"]),
        severity="warning" if repeats else "error",
        run_id=run.run_id,
        link=f"{address}/runs/{run.run_id}" if address else None,
    )


def _reasons(context: dg.RunFailureSensorContext) -> list[str]:
    """A line for each failed step, or for each blocking check that failed it; else why the run failed."""
    refusals = _refusals(context)
    lines: list[str] = []
    for event in context.get_step_failure_events():
        step, data = event.step_key or "", event.step_failure_data
        told = data.user_failure_data.description if data.user_failure_data else None
        lines += refusals.get(step) or [f"{step}: {_shortened(told or _root_message(data.error))}"]
    if lines:
        return lines
    data = context.failure_event.job_failure_data
    # None of a run that died without a word: then only the event says what happened.
    reason = _root_message(data.error) if data and data.error else context.failure_event.message
    return [_shortened(reason or "no reason recorded")]


def _refusals(context: dg.RunFailureSensorContext) -> dict[str, list[str]]:
    """A line for each failed blocking check, by the step that made it."""
    records = context.instance.get_records_for_run(
        context.dagster_run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
    ).records
    lines = defaultdict(list)
    for event in (record.event_log_entry.get_dagster_event() for record in records):
        check = event.asset_check_evaluation_data
        if check.blocking and not check.passed and check.severity == dg.AssetCheckSeverity.ERROR:
            name = f"check {check.check_name} of {check.asset_key.to_user_string()}"
            lines[event.step_key or ""].append(f"{name}: {_shortened(check.description or 'failed')}")
    return lines


def _root_message(error: SerializableErrorInfo | None) -> str:
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip() if error else "no reason recorded"


def _shortened(reason: str) -> str:
    return reason if len(reason) <= _LONGEST_REASON else f"{reason[:_LONGEST_REASON]}..."
