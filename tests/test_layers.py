"""The import-linter contracts hold, and each of them breaks where its rule is broken."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A copy of the packages and of the contracts."""
    for package in ("bentos", "fakenews_assets", "fakenews_resources"):
        shutil.copytree(
            REPOSITORY / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "page")
        )
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    return tmp_path


def test_no_module_imports_from_a_layer_above_it(sources: Path) -> None:
    run = lint(sources)
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize(
    ("planted", "broken"),
    [
        (
            {"common/planted.py": "from fakenews_assets.models.settings import EncoderSpec\n"},
            "fakenews_assets.common.planted -> fakenews_assets.models.settings",
        ),
        (
            {
                "common/planted.py": "import fakenews_assets.common.second\n",
                "common/second.py": "import fakenews_assets.common.planted\n",
            },
            "No cycles are allowed in fakenews_assets.common.",
        ),
    ],
    ids=["upwards", "circle"],
)
def test_a_planted_violation_is_found(sources: Path, planted: dict[str, str], broken: str) -> None:
    for name, source in planted.items():
        (sources / "fakenews_assets" / name).write_text(source)
    run = lint(sources)
    assert run.returncode == 1
    assert broken in " ".join(run.stdout.split())
