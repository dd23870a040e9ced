"""The metrics of `fakenews monitor` for Prometheus (/metrics): whether Dagster works, and whether reports and answers arrive.

Each figure is read when it is asked for, so it is right however the graph was run. Times are Unix seconds.
"""

import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import dagster as dg
from dagster._core.scheduler.instigation import InstigatorType, TickStatus
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from fakenews_assets.registry.champion import ChampionRegistry
from fakenews_resources.storage.backend import Backend
from fakenews_resources.storage.io_manager import Storage

_NIGHTLY = ("drift_report", "performance_report")


class GraphCollector(Collector):
    """Gauges of one store and one Dagster instance."""

    def __init__(self, storage: Storage, instance: dg.DagsterInstance) -> None:
        self._storage = storage
        self._instance = instance

    def collect(self) -> Iterator[Metric]:
        """Read them. Raises StoreError if the bucket cannot be reached; Prometheus then takes the page for down."""
        yield self._heartbeats()
        yield self._sensors()
        yield self._failed_runs()
        yield self._reported_days()
        yield from self._store()

    def _heartbeats(self) -> Metric:
        gauge = GaugeMetricFamily(
            "fakenews_daemon_heartbeat_timestamp_seconds",
            "When each part of Dagster's daemon last said that it is alive; 0: never.",
            labels=["daemon"],
        )
        heartbeats = self._instance.get_daemon_heartbeats()
        for daemon in sorted(self._instance.get_required_daemon_types()):
            heartbeat = heartbeats.get(daemon)
            gauge.add_metric([daemon.lower()], heartbeat.timestamp if heartbeat else 0)
        return gauge

    def _sensors(self) -> Metric:
        done = [TickStatus.SKIPPED, TickStatus.SUCCESS]
        ticks = [
            tick.timestamp
            for state in self._instance.all_instigator_state(instigator_type=InstigatorType.SENSOR)
            if state.is_running
            for tick in self._instance.get_ticks(
                state.instigator_origin_id, state.selector_id, limit=1, statuses=done
            )
        ]
        return _gauge(
            "fakenews_sensors_timestamp_seconds",
            "When a sensor last looked without an error. None can while Dagster has no code server.",
            max(ticks, default=None),
        )

    def _failed_runs(self) -> Metric:
        since = datetime.now(UTC) - timedelta(days=1)
        failed = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], updated_after=since)
        return _gauge(
            "fakenews_failed_runs",
            "Runs of the graph that failed in the last 24 hours.",
            self._instance.get_runs_count(failed),
        )

    def _reported_days(self) -> Metric:
        gauge = GaugeMetricFamily(
            "fakenews_reported_day_timestamp_seconds",
            "The start of the last day that has a report.",
            labels=["asset"],
        )
        for asset in _NIGHTLY:
            if reported := self._storage.store.partitions(asset):
                gauge.add_metric([asset], _start_of(date.fromisoformat(max(reported))))
        return gauge

    def _store(self) -> Iterator[Metric]:
        store = self._storage.store
        champion = ChampionRegistry(store.bundles).champion()
        yield _gauge(
            "fakenews_champion_timestamp_seconds",
            "When the champion was promoted.",
            champion and champion.promoted_at.timestamp(),
        )
        arrived = _last_change(self._storage.log_backend(store))
        yield _gauge(
            "fakenews_log_arrived_timestamp_seconds",
            "When the last line of the prediction log arrived where the graph reads it.",
            arrived and arrived.timestamp(),
        )
        yield _gauge(
            "fakenews_storage_free_ratio",
            "Free part of the storage's disk.",
            None if store.backend.is_bucket else _free_ratio(store.backend.root),
        )


def _gauge(name: str, meaning: str, value: float | None) -> Metric:
    """A gauge with one sample, or with none if its value is not known."""
    gauge = GaugeMetricFamily(name, meaning)
    if value is not None:
        gauge.add_metric([], value)
    return gauge


def _last_change(log: Backend) -> datetime | None:
    """When the last day of a log changed; None: it holds nothing."""
    days = [name for name in log.children() if name[0].isdigit()]
    if not days:
        return None
    # Of a bucket one request tells all; a folder's own time does not move when a file in it grows.
    files = days[-1:] if log.is_bucket else [f"{days[-1]}/{name}" for name in log.children(days[-1])]
    return max((found.changed for file in files if (found := log.stat(file))), default=None)


def _free_ratio(folder: Path) -> float:
    made = next(path for path in (folder, *folder.parents) if path.exists())
    disk = shutil.disk_usage(made)
    return disk.free / disk.total


def _start_of(day: date) -> float:
    return datetime.combine(day, time(), UTC).timestamp()
