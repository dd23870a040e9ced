"""What the clock starts."""

from datetime import UTC, datetime

import dagster as dg
import pytest
from dagster._core.test_utils import freeze_time

from fakenews_assets.automation.schedules import nightly_monitoring
from fakenews_assets.definitions import defs


def at(night: datetime) -> str | None:
    """The day that the schedule asks a report of; else why it asks for none."""
    context = dg.build_schedule_context(
        instance=dg.DagsterInstance.ephemeral(),
        scheduled_execution_time=night,
        repository_def=defs.get_repository_def(),
    )
    with freeze_time(night), context:
        found = nightly_monitoring.evaluate_tick(context)
    return found.run_requests[0].partition_key if found.run_requests else found.skip_message


@pytest.mark.parametrize(
    ("night", "day"),
    [
        (datetime(2026, 11, 2, 0, 20, tzinfo=UTC), "2026-11-01"),
        (datetime(2026, 12, 1, 0, 20, tzinfo=UTC), "2026-11-30"),
        (datetime(2027, 1, 1, 0, 20, tzinfo=UTC), "2026-12-31"),
        (datetime(2028, 3, 1, 0, 20, tzinfo=UTC), "2028-02-29"),
    ],
)
def test_every_night_reports_on_the_day_before(night: datetime, day: str) -> None:
    assert at(night) == day


def test_nothing_is_reported_of_the_time_before_the_first_day() -> None:
    assert at(datetime(2026, 11, 1, 0, 20, tzinfo=UTC)) == ("2026-10-31 is before the first monitored day.")
