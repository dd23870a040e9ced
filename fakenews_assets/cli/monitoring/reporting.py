"""`fakenews report`: one day of the service, its drift and its quality."""

from datetime import UTC, date, datetime
from typing import Any

from rich.markup import escape

from fakenews_assets.cli.errors import CommandFailed
from fakenews_assets.cli.running import GraphRunner
from fakenews_assets.monitoring.drift.verdict import DriftVerdict
from fakenews_assets.monitoring.partitions import days


def report_day(day: str, last_rows: int | None, since: str | None) -> None:
    """Materialize the monitoring group for a day, then print its verdicts.

    Args:
        day: ISO date; empty for today.
        last_rows: window of the drift report, as in `WindowSettings`.
        since: the same.

    Raises:
        CommandFailed: a step failed, or there is no such day.
    """
    from fakenews_assets.monitoring.performance import PerformanceVerdict

    try:
        partition = date.fromisoformat(day).isoformat() if day else datetime.now(UTC).date().isoformat()
    except ValueError:
        raise CommandFailed(f"Invalid day {day!r}: use YYYY-MM-DD, such as 2026-11-24.") from None
    if not days.has_partition_key(partition):
        raise CommandFailed(
            f"No report for {partition}: days go from {days.get_first_partition_key()} to today."
        )
    window: dict[str, Any] = {"last_rows": last_rows, "since": since}
    chosen = {name: value for name, value in window.items() if value is not None}
    with GraphRunner() as runner:
        # The service's log is outside the graph, so the stored copy may be stale without a sign of it.
        runner.run("monitor_day", partition, {"drift_report": chosen} if chosen else {}, {"prediction_log"})
        drift = DriftVerdict.read(runner.store.current(f"drift_report/{partition}").path)
        performance = PerformanceVerdict.read(runner.store.current(f"performance_report/{partition}").path)
        for name, text in (
            ("Drift", drift.summary),
            ("Abstentions", drift.abstention_summary),
            ("Quality", performance.summary),
        ):
            runner.console.print(f"[bold]{name}:[/] {escape(text)}", highlight=False, soft_wrap=True)
        for note in drift.notes:
            runner.console.print(f"[yellow]{escape(note)}[/]", soft_wrap=True)
        if drift.data_note:
            runner.console.print(f"[yellow]{escape(drift.data_note)}[/]", soft_wrap=True)
        runner.console.print("Plots: run `fakenews monitor`, or `make monitor`.", highlight=False)
