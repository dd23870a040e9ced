"""Partitions of the monitoring group: one per day of traffic."""

import dagster as dg

FIRST_DAY = "2026-11-01"

days = dg.DailyPartitionsDefinition(start_date=FIRST_DAY, timezone="UTC", end_offset=1)
"""Days of UTC, as the service's log has them; today's may be looked at before it is over."""
