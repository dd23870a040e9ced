"""Sections of dagster.yaml as Dagster's Helm chart writes them, of those that decide how runs are queued and retried.

Neither Helm nor the chart comes with a package. This module follows the chart's templates `configmap-instance.yaml`,
`_run-coordinator.tpl` and `_concurrency.tpl`, and its default values; test_chart.py compares it with the chart.
"""

from collections.abc import Mapping
from typing import Any, Final

DEFAULTS: Final[Mapping[str, Any]] = {
    "dagsterDaemon": {
        "runCoordinator": {
            "enabled": True,
            "type": "QueuedRunCoordinator",
            "config": {"queuedRunCoordinator": {"dequeueUseThreads": True, "dequeueNumWorkers": 4}},
        },
        "runMonitoring": {"enabled": True},
        "runRetries": {"enabled": True, "maxRetries": 0},
    },
    "concurrency": {"enabled": False, "pools": {}, "runs": {}},
    "telemetry": {"enabled": True},
    "additionalInstanceConfig": {},
}

_OF_POOLS: Final = {
    "defaultLimit": "default_limit",
    "granularity": "granularity",
    "opGranularityRunBuffer": "op_granularity_run_buffer",
}
_OF_RUNS: Final = {
    "maxConcurrentRuns": "max_concurrent_runs",
    "tagConcurrencyLimits": "tag_concurrency_limits",
}
_OF_MONITORING: Final = {
    "enabled": "enabled",
    "startTimeoutSeconds": "start_timeout_seconds",
    "cancelTimeoutSeconds": "cancel_timeout_seconds",
    "maxRuntimeSeconds": "max_runtime_seconds",
    "maxResumeRunAttempts": "max_resume_run_attempts",
    "pollIntervalSeconds": "poll_interval_seconds",
    "freeSlotsAfterRunEndSeconds": "free_slots_after_run_end_seconds",
}
_OF_RETRIES: Final = {
    "enabled": "enabled",
    "maxRetries": "max_retries",
    "retryOnAssetOrOpFailure": "retry_on_asset_or_op_failure",
}


def instance(values: Mapping[str, Any]) -> dict[str, Any]:
    """What the chart makes of values over its defaults."""
    filled = _over(DEFAULTS, values)
    daemon, limits = filled["dagsterDaemon"], filled["concurrency"]
    more = filled["additionalInstanceConfig"]
    sections: dict[str, Any] = {"run_coordinator": _coordinator(daemon["runCoordinator"])}
    if limits["enabled"]:
        parts = {"pools": _named(limits["pools"], _OF_POOLS), "runs": _named(limits["runs"], _OF_RUNS)}
        sections["concurrency"] = {name: part for name, part in parts.items() if part}
    for name, part, names in (
        ("run_monitoring", daemon["runMonitoring"], _OF_MONITORING),
        ("run_retries", daemon["runRetries"], _OF_RETRIES),
    ):
        if part["enabled"]:
            sections[name] = _named(part, names)
    sections["telemetry"] = filled["telemetry"]
    assert not sections.keys() & more.keys(), "a section would stand twice in the file"
    return {**sections, **more}


def _coordinator(given: Mapping[str, Any]) -> dict[str, Any]:
    if not given["enabled"]:
        module = "dagster._core.run_coordinator.sync_in_memory_run_coordinator"
        return {"module": module, "class": "SyncInMemoryRunCoordinator"}
    assert given["type"] == "CustomRunCoordinator", "the chart's own type cannot wait for a code server"
    return dict(given["config"]["customRunCoordinator"])


def _named(part: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    assert part.keys() <= names.keys()
    return {names[key]: value for key, value in part.items() if value not in (None, [])}


def _over(defaults: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Maps are merged, everything else is replaced, as Helm does; of keys that `defaults` has."""
    merged: dict[str, Any] = dict(defaults)
    for key, value in values.items():
        before = merged.get(key)
        merged[key] = (
            _over(before, value) if isinstance(before, Mapping) and isinstance(value, Mapping) else value
        )
    return merged
