"""Partitions of the monitoring group: one per day of traffic."""

import os

import dagster as dg

days = dg.DailyPartitionsDefinition(
    start_date=os.environ.get("FAKENEWS_FIRST_DAY", "2026-11-01"), timezone="UTC", end_offset=1
)
"""Days of UTC, as the service's log has them; today's may be looked at before it is over."""
