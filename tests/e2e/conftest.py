from pathlib import Path

import pytest

from tests.support.models import build_tiny_bert


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_bert(tmp_path_factory.mktemp("encoder") / "tiny")
