"""Both kinds of place that hold the graph's values."""

from pathlib import Path

import pytest

from tests.support.buckets import gate as gate


@pytest.fixture(params=["folder", pytest.param("bucket", marks=pytest.mark.bucket)])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of an empty store."""
    if request.param == "folder":
        return str(tmp_path / "values")
    request.getfixturevalue("gate")
    return "gs://news/some/prefix"
