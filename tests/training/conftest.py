"""Tiny models shared by the training tests."""

from pathlib import Path

import pytest
import torch

from tests.support.models import build_tiny_bert, build_tiny_classifier


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_bert(tmp_path_factory.mktemp("encoders") / "tiny")


@pytest.fixture(scope="session")
def tiny_classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_classifier(tmp_path_factory.mktemp("classifiers") / "tiny")


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    # Two threads gain nothing on 32 hidden units and wait for each other when tests run in parallel.
    torch.set_num_threads(1)
