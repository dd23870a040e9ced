from pathlib import Path

import pytest


@pytest.fixture
def news(tmp_path: Path) -> Path:
    return tmp_path / "news.csv"
