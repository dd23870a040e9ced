"""Fixtures of the whole suite."""

import os
import shutil
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]

pytest_plugins = ["tests.watched", "tests.wandb_server"]

# Before any test imports a library that looks at them.
os.environ |= {
    "HF_HUB_OFFLINE": "1",
    "DO_NOT_TRACK": "1",
    "BENTOML_DO_NOT_TRACK": "True",
    "WANDB_MODE": "offline",
    "FAKENEWS_WANDB": "off",
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project folder with the shipped dagster.yaml; the working directory and DAGSTER_HOME of the test."""
    shutil.copy(REPOSITORY / "dagster.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    return tmp_path
