"""Fixtures of the whole suite."""

import gc
import os
import secrets
import shutil
from collections.abc import Generator
from contextlib import AbstractContextManager, nullcontext
from importlib.util import cache_from_source, find_spec
from pathlib import Path
from tempfile import gettempdir

import hypothesis
import pytest
from filelock import FileLock

gc.disable()  # until all is imported

REPOSITORY = Path(__file__).parents[1]

SLOW_FIXTURES = {
    "browser": "browser",
    "service": "server",
    "engine": "server",
    "postgres": "server",
    "own_wandb": "server",
    "shown": "server",
    "bento": "server",
    "guarded": "server",
    "inside": "server",
    "loop": "daemon",
    "gate": "bucket",
    "bucket": "bucket",
    "trained": "training",
    "teacher": "training",
    "make_settings": "training",
    "never_interrupted": "training",
    "rated": "runs",
}
"""Fixtures that make their tests slow, and the mark that says so. Other slow tests carry their mark themselves."""

SLOW = {*SLOW_FIXTURES.values(), "runs", "compute"}
"""Marks of slow tests; pyproject.toml says what each stands for."""

pytest_plugins = [
    "tests.support.ordering",
    "tests.support.rated",
    "tests.support.watched",
    "tests.support.wandb_server",
]

# A test that is slow on a busy machine has found nothing.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

# Before any test imports a library that looks at them.
os.environ |= {
    "HF_HUB_OFFLINE": "1",
    "DO_NOT_TRACK": "1",
    "BENTOML_DO_NOT_TRACK": "True",
    "WANDB_MODE": "offline",
    "FAKENEWS_WANDB": "off",
    "FAKENEWS_CANDIDATES": (
        "frozen pruned static distilled-3l distilled-2l distilbert finetuned-openvino-int8 finetuned-onnx-int8"
        " finetuned-openvino-bf16 distilled-3l-openvino-int8 distilled-2l-openvino-bf16 ensemble-pruned"
        " ensemble-finetuned-openvino-int8 ensemble-finetuned-onnx-int8 cascade-finetuned-openvino-int8"
    ),
    # Threads gain nothing on models as small as these, and wait for each other when tests run in parallel.
    "OMP_NUM_THREADS": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Else its workers would only get what other workers of the tests leave.
    "RAY_worker_niceness": "0",
    # Ray listens on all addresses of the machine; else it would write a token into the home folder.
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": secrets.token_hex(32),
}

# What tests start keeps what it compiles, as it does on most machines.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project folder with the shipped dagster.yaml; the working directory and DAGSTER_HOME of the test."""
    shutil.copy(REPOSITORY / "dagster.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    return tmp_path


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect without looking for garbage.

    The imports leave more than a million objects, and almost none is garbage. Looking through them took a fifth of the
    time, and would take more in each later look.
    """
    gc.disable()
    try:
        with _compiling():
            return (yield)
    finally:
        gc.freeze()
        gc.enable()


def _compiling() -> AbstractContextManager[object]:
    """After an installation, one worker compiles the libraries, for 20 s, and the others wait instead of doing the same."""
    last = find_spec("optuna")  # of the large ones that are imported
    if "PYTEST_XDIST_WORKER" not in os.environ or last is None or last.origin is None:
        return nullcontext()
    if Path(cache_from_source(last.origin)).exists():
        return nullcontext()
    return FileLock(Path(gettempdir()) / f"fakenews-tests-{os.getuid()}.lock")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of slow fixtures, and all that have such a mark as slow."""
    # Here, because the process that hands out tests to workers needs it not.
    from tests.support import lean_dagster as lean_dagster

    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            if fixture in SLOW_FIXTURES:
                item.add_marker(SLOW_FIXTURES[fixture])
        if any(item.get_closest_marker(mark) for mark in SLOW):
            item.add_marker("slow")
