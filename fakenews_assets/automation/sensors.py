"""Sensors: what starts runs without a hand."""

import dagster as dg

# Dagster's own automation sensor is created stopped; `evaluation` should follow training out of the box.
automation = dg.AutomationConditionSensorDefinition(
    "automation",
    target=dg.AssetSelection.all(),
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
)
