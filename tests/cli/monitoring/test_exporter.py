"""What `fakenews monitor` shows to Prometheus is what the store and Dagster hold."""

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    TickData,
    TickStatus,
)
from dagster._daemon.types import DaemonHeartbeat
from dagster_shared.error import SerializableErrorInfo
from prometheus_client import CollectorRegistry
from starlette.testclient import TestClient

from fakenews_assets.cli.monitoring.exporter import GraphCollector
from fakenews_assets.cli.monitoring.monitor import monitor_app
from fakenews_assets.monitoring.log.prediction_log import PredictionLog
from fakenews_resources.storage.io_manager import Storage


@pytest.fixture
def instance(project: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(project)) as found:
        yield found


def gauges(storage: Storage, instance: dg.DagsterInstance) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(GraphCollector(storage, instance))
    return registry


def test_an_empty_store_has_a_silent_daemon_and_no_reports(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    found = gauges(Storage(root=str(tmp_path / "store")), instance)
    daemons = {
        sample.labels["daemon"]: sample.value
        for metric in found.collect()
        for sample in metric.samples
        if "heartbeat" in sample.name
    }
    assert {"sensor", "scheduler"} <= set(daemons)
    assert set(daemons.values()) == {0}
    assert found.get_sample_value("fakenews_failed_runs") == 0
    assert found.get_sample_value("fakenews_log_arrived_timestamp_seconds") is None
    assert (
        found.get_sample_value("fakenews_reported_day_timestamp_seconds", {"asset": "drift_report"}) is None
    )


def test_the_page_shows_heartbeats_failures_reports_and_the_log(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    storage = Storage(root=str(tmp_path / "store"))
    instance.add_daemon_heartbeat(DaemonHeartbeat(1234.0, "SENSOR", "1"))
    run = instance.create_run_for_job(dg.JobDefinition(name="j", graph_def=dg.GraphDefinition(name="g")))
    instance.report_run_failed(run)
    for day in ("2026-11-03", "2026-11-02"):
        draft = storage.store.draft()
        (draft.path / "verdict.json").write_text(day)
        storage.store.commit(f"drift_report/{day}", draft)
    log = PredictionLog(storage.log_backend(storage.store).root)
    log.append("predictions", [{"request_id": "x", "row": 0}])
    app = monitor_app(storage.store, gauges(storage, instance))
    lines = dict(
        line.rsplit(" ", 1)
        for line in TestClient(app).get("/metrics").text.splitlines()
        if not line.startswith("#")
    )
    assert float(lines['fakenews_daemon_heartbeat_timestamp_seconds{daemon="sensor"}']) == 1234
    assert float(lines["fakenews_failed_runs"]) == 1
    start = datetime.combine(date(2026, 11, 3), datetime.min.time(), UTC).timestamp()
    assert float(lines['fakenews_reported_day_timestamp_seconds{asset="drift_report"}']) == start
    assert time.time() - 60 < float(lines["fakenews_log_arrived_timestamp_seconds"]) < time.time() + 60
    assert 0 < float(lines["fakenews_storage_free_ratio"]) < 1


def test_sensors_are_well_as_long_as_one_looks_without_an_error(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    found = gauges(Storage(root=str(tmp_path / "store")), instance)
    assert found.get_sample_value("fakenews_sensors_timestamp_seconds") is None
    looks = {
        "new_batch_sensor": [(TickStatus.SKIPPED, 100.0), (TickStatus.FAILURE, 400.0)],
        "drift_sensor": [(TickStatus.SKIPPED, 200.0), (TickStatus.STARTED, 400.0)],
    }
    for name, ticks in looks.items():
        repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("fakenews"), "__repository__")
        origin = repository.get_instigator_origin(name)
        state = InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.DECLARED_IN_CODE)
        instance.add_instigator_state(state)
        for status, moment in ticks:
            instance.create_tick(
                TickData(
                    state.instigator_origin_id,
                    name,
                    InstigatorType.SENSOR,
                    status,
                    moment,
                    error=SerializableErrorInfo("gone", [], None) if status == TickStatus.FAILURE else None,
                    selector_id=state.selector_id,
                )
            )
    assert found.get_sample_value("fakenews_sensors_timestamp_seconds") == 200
