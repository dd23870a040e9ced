import re
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from fakenews_assets.serving.bento import PACKAGES
from fakenews_assets.serving.container import copied_by
from tests.deploy.files import DEPLOY, REPOSITORY

DOCKERFILES = ("Dockerfile", "Dockerfile.dagster")


@pytest.mark.parametrize("name", DOCKERFILES)
def test_hadolint_finds_nothing(name: str):
    hadolint = Path(sys.executable).with_name("hadolint")
    found = subprocess.run([hadolint, DEPLOY / name], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (0, "")


@pytest.mark.parametrize("name", DOCKERFILES)
def test_an_exact_base_and_a_user_that_is_not_root(name: str):
    text = (DEPLOY / name).read_text()
    assert re.findall(r"^FROM (.*)$", text, re.MULTILINE) == ["python:3.11.14-slim-bookworm"]
    assert re.findall(r"^USER (.*)$", text, re.MULTILINE) == ["1034:1034"]
    assert "HEALTHCHECK" in text


def test_what_the_graphs_image_copies_is_sent_to_the_build():
    sources = copied_by((DEPLOY / "Dockerfile.dagster").read_text())
    assert all((REPOSITORY / source).exists() for source in sources)
    sent = {
        line.removeprefix("!")
        for line in (REPOSITORY / ".dockerignore").read_text().splitlines()
        if line[:1] == "!"
    }
    assert sent == set(sources)
    # What the packages link to.
    assert {"deploy/Dockerfile", "deploy/cloudbuild.yaml"} <= sent


def test_the_graphs_image_keeps_no_test_runner():
    text = (DEPLOY / "Dockerfile.dagster").read_text()
    (dependencies,) = re.findall(r"^RUN pip install .*--constraint[^#]*?[^\\]$", text, re.MULTILINE)
    assert dependencies.split("&&")[-1].split() == ["pip", "uninstall", "--yes", "pytest"]


def test_the_dependencies_install_without_the_sources(tmp_path: Path):
    """The layer of dependencies is built before the sources are copied."""
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, tmp_path)
    command = [
        sys.executable,
        "-c",
        "from setuptools.build_meta import *; print(prepare_metadata_for_build_wheel('.'))",
    ]
    built = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    metadata = (tmp_path / built.stdout.split()[-1] / "METADATA").read_text()
    assert re.search(r"^Requires-Dist: dagster-k8s.*extra == .cloud.", metadata, re.MULTILINE)


@pytest.mark.compute
def test_a_wheel_holds_all_that_a_checkout_has_in_its_packages(tmp_path: Path):
    """The bento's builder reads a lock, and a Dockerfile that lies outside of them and is linked."""
    listed = subprocess.check_output(
        [
            "git",
            "ls-files",
            *PACKAGES,
            "pyproject.toml",
            "README.md",
            "LICENSE",
            "deploy/Dockerfile",
            "deploy/cloudbuild.yaml",
        ],
        cwd=REPOSITORY,
        text=True,
    ).split()
    for name in listed:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, tmp_path / name, follow_symlinks=False)
    command = [sys.executable, "-c", "from setuptools.build_meta import *; print(build_wheel('.'))"]
    built = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    with ZipFile(tmp_path / built.stdout.split()[-1]) as wheel:
        held = {name for name in wheel.namelist() if ".dist-info/" not in name}
        assert held == {name for name in listed if name.split("/")[0] in PACKAGES}
        assert wheel.read("fakenews_assets/serving/Dockerfile") == (DEPLOY / "Dockerfile").read_bytes()
