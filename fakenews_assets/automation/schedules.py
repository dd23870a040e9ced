"""The schedule of the daily reports."""

from datetime import timedelta

import dagster as dg

from fakenews_assets.automation.jobs import monitor_day
from fakenews_assets.monitoring.partitions import days


@dg.schedule(
    job=monitor_day,
    cron_schedule="20 0 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Reports on the previous day.",
)
def nightly_monitoring(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Report on the previous day."""
    day = (context.scheduled_execution_time.date() - timedelta(days=1)).isoformat()
    if not days.has_partition_key(day):
        return dg.SkipReason(f"{day} is before the first monitored day.")
    return dg.RunRequest(partition_key=day)
