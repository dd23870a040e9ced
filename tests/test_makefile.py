"""What `make` does before anything is installed, and what it removes."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]


def program(file: Path, script: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkout with nothing but what `make` itself reads."""
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(REPOSITORY / name, tmp_path)
    return tmp_path


def make(folder: Path, *words: str, typed: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a target with nothing in the environment but PATH and what is given."""
    return subprocess.run(
        ["make", *words],
        cwd=folder,
        input=typed,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder)} | environment,
    )


def test_a_wrong_python_is_refused_at_once_with_the_right_command(folder: Path) -> None:
    wrong = program(
        folder / "bin" / "wrong",
        f"""exec {sys.executable} -c "import sys; sys.version_info = (3, 13, 1); exec(sys.argv[2])" "$@" """,
    )
    program(folder / "bin" / "python3.11", "exit 0")
    run = make(folder, "install", f"PYTHON={wrong}", PATH=f"{folder}/bin:/usr/bin:/bin")
    assert run.returncode == 2
    assert "needs Python 3.11 or 3.12, this is 3.13. Run: make install PYTHON=python3.1" in run.stderr
    assert run.stdout == ""
    assert not (folder / ".venv").exists()


def test_uv_gets_what_pip_is_configured_with(folder: Path) -> None:
    pytest.importorskip("pip")
    (folder / "pip.conf").write_text(
        "[global]\nindex-url = https://a/simple\nextra-index-url =\n    https://b/simple\n    https://c/simple\n"
        "constraint = /constraints.txt\ncert = /from-file.pem\n"
    )
    program(folder / ".venv" / "bin" / "python", f'exec {sys.executable} "$@"')
    program(folder / ".venv" / "bin" / "uv", 'echo "$@" >> calls; env -0 > environment')
    run = make(
        folder,
        "install",
        PIP_CONFIG_FILE=str(folder / "pip.conf"),
        PIP_FIND_LINKS="/one /two",
        PIP_CERT="/from-environment.pem",
    )
    assert run.returncode == 0, run.stderr
    given = dict(line.split("=", 1) for line in (folder / "environment").read_text().rstrip("\0").split("\0"))
    assert {name: value for name, value in given.items() if name.startswith(("UV_", "SSL_"))} == {
        "UV_DEFAULT_INDEX": "https://a/simple",
        "UV_INDEX": "https://b/simple https://c/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": "/one,/two",
        "UV_CONSTRAINT": "/constraints.txt",
        "SSL_CERT_FILE": "/from-environment.pem",
    }
    assert "--requirement requirements.lock" in (folder / "calls").read_text()


def test_uv_gets_nothing_where_pip_is_configured_with_nothing(folder: Path) -> None:
    pytest.importorskip("pip")
    program(folder / ".venv" / "bin" / "python", f'exec {sys.executable} "$@"')
    program(folder / ".venv" / "bin" / "uv", "env -0 > environment")
    assert make(folder, "install", PIP_CONFIG_FILE="/dev/null").returncode == 0
    assert "UV_" not in (folder / "environment").read_text()


@pytest.mark.parametrize(
    ("words", "typed", "removed"),
    [
        ([], "y\n", True),
        ([], "\n", False),
        ([], "n\n", False),
        ([], "", False),  # no terminal
        (["YES=1"], "", True),
    ],
)
def test_clean_asks_before_it_removes_data(folder: Path, words: list[str], typed: str, removed: bool) -> None:
    for file in (".venv/bin/python", ".fakenews/store", ".dagster/runs.db", ".dagster/dagster.yaml"):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()
    run = make(folder, "clean", *words, typed=typed)
    assert run.returncode == 0, run.stderr
    assert not (folder / ".venv").exists()
    assert (folder / ".dagster" / "dagster.yaml").exists()
    for data in (".fakenews", ".dagster/runs.db"):
        assert (folder / data).exists() is not removed
    assert ("Kept" in run.stdout) is not removed
