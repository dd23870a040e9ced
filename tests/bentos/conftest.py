from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.champions import make_champion
from tests.support.servers import Server, serve


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real server with a tiny champion. Shared: no test changes its model."""
    folder = tmp_path_factory.mktemp("service")
    models = folder / "models"
    models.mkdir()
    make_champion(models)
    environment = {
        "FAKENEWS_LOG_CONTENT": "text",
        "FAKENEWS_BODY_SECONDS": "2",
        "FAKENEWS_MAX_CSV_FAULTS": "150000",
    }
    with serve(folder, models, environment) as server:
        yield server
        assert "Traceback" not in server.printed()  # whatever its clients did


@pytest.fixture
def client(service: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, timeout=60) as client:
        yield client


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder of bundles with a tiny champion, of this test alone."""
    folder = tmp_path / "models"
    folder.mkdir()
    make_champion(folder)
    return folder
