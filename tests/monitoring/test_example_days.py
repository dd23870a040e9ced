"""Example days: judged as real ones are, and marked as what they are."""

from datetime import date
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry
from starlette.testclient import TestClient

from fakenews_assets.cli.monitoring.monitor import monitor_app
from fakenews_assets.monitoring.drift.verdict import DRIFT_PAGES, DriftVerdict
from fakenews_assets.monitoring.example_days import NOTE, write_example_days
from fakenews_assets.monitoring.performance import PerformanceVerdict
from fakenews_resources.storage.store import Store

LAST = date(2026, 11, 24)


@pytest.mark.compute
def test_example_days_show_a_usual_day_then_every_alarm_on_a_page_that_says_what_it_is(
    tmp_path: Path,
) -> None:
    store = Store(tmp_path)
    write_example_days(store, LAST, count=4)

    found = {
        day: (
            DriftVerdict.read(store.current(f"drift_report/{day}").path),
            PerformanceVerdict.read(store.current(f"performance_report/{day}").path),
        )
        for day in ("2026-11-21", "2026-11-24")
    }
    assert {
        day: (drift.drifted, drift.abstains_more, quality.dropped) for day, (drift, quality) in found.items()
    } == {"2026-11-21": (False, False, False), "2026-11-24": (True, True, True)}
    with TestClient(monitor_app(store, CollectorRegistry())) as client:
        page = client.get("/").text
        assert f'<p class="note">{NOTE}</p>' in page
        assert "<h1>An example service" in page
        for name in DRIFT_PAGES:
            assert client.get(f"/reports/{LAST}/{name}.html").status_code == httpx.codes.OK
