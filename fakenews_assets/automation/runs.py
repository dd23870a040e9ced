"""What sensors ask of the instance before they start anything."""

import os
from collections.abc import Mapping
from typing import Final

import dagster as dg

SENSOR_SECONDS: Final = int(os.environ.get("FAKENEWS_SENSOR_SECONDS", "30"))
"""How often a sensor looks, at most."""

_IN_PROGRESS = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def run_in_progress(instance: dg.DagsterInstance) -> str | None:
    """A sentence about a run that is not over; None where there is none."""
    running = instance.get_runs(dg.RunsFilter(statuses=_IN_PROGRESS), limit=1)
    return f"Run {running[0].run_id[:8]} of {running[0].job_name} is in progress." if running else None


def was_requested(instance: dg.DagsterInstance, run_key: str | None) -> bool:
    """Whether a run with this key exists, whatever became of it."""
    return bool(instance.get_runs(dg.RunsFilter(tags={"dagster/run_key": run_key or ""}), limit=1))


def assets_of(context: dg.SensorEvaluationContext) -> Mapping[str, dg.AssetsDefinition]:
    """The definitions of the graph, by name."""
    assert context.repository_def is not None
    graph = context.repository_def.asset_graph
    return {key.to_user_string(): graph.get(key).assets_def for key in graph.get_all_asset_keys()}
