"""`fakenews monitor` answers only those who should see it."""

from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry
from starlette.testclient import TestClient

from fakenews_assets.cli.monitoring.monitor import hosts_of, monitor_app
from fakenews_resources.storage.store import Store


def client(tmp_path: Path, listening_on: str, asked_as: str) -> TestClient:
    app = monitor_app(Store(tmp_path), CollectorRegistry(), hosts_of(listening_on))
    return TestClient(app, base_url=f"http://{asked_as}")


@pytest.mark.parametrize("path", ["/", "/metrics", "/reports/2026-11-20/data_drift.html"])
def test_a_site_whose_name_points_here_gets_nothing(tmp_path: Path, path: str) -> None:
    assert client(tmp_path, "127.0.0.1", "evil.example:3002").get(path).status_code == httpx.codes.BAD_REQUEST


@pytest.mark.parametrize(
    ("listening_on", "asked_as"),
    [("127.0.0.1", "127.0.0.1:3002"), ("127.0.0.1", "localhost:3002"), ("0.0.0.0", "monitor:3002")],  # noqa: S104
)
def test_those_who_should_are_answered(tmp_path: Path, listening_on: str, asked_as: str) -> None:
    found = client(tmp_path, listening_on, asked_as).get("/metrics")
    assert found.status_code == httpx.codes.OK
    assert found.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox allow-scripts" in found.headers["Content-Security-Policy"]
