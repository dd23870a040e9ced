from pathlib import Path

import pytest

from fakenews_assets.registry.scorer import Scorer
from tests.support.champions import make_champion


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of bundles with a tiny champion."""
    folder = tmp_path_factory.mktemp("models")
    make_champion(folder)
    return folder


@pytest.fixture(scope="session")
def scorer(models: Path) -> Scorer:
    (bundle,) = (path for path in models.iterdir() if path.is_dir())
    return Scorer.open(bundle)
