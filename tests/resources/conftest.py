"""Both kinds of place that hold the graph's values."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fakenews_resources import bucket
from tests.buckets import Gate, served_bucket


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """An empty bucket `news`; clients retry at once, and for three seconds."""
    monkeypatch.setenv("FAKENEWS_CACHE", str(tmp_path / "cache"))
    patient = bucket._retry()  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr(
        bucket, "_retry", lambda: patient.with_delay(initial=0.01, maximum=0.05).with_timeout(3)
    )
    with served_bucket(monkeypatch) as gate:
        yield gate


@pytest.fixture(params=["folder", "bucket"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of an empty store."""
    if request.param == "folder":
        return str(tmp_path / "values")
    request.getfixturevalue("gate")
    return "gs://news/some/prefix"
