"""What GitHub reads: the workflow, Dependabot's file and the issue forms."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.deploy.files import faults

REPOSITORY = Path(__file__).parents[1]
FILES = {
    "workflows/ci.yml": "github-workflows",
    "workflows/release.yml": "github-workflows",
    "workflows/scan.yml": "github-workflows",
    "dependabot.yml": "dependabot",
    "ISSUE_TEMPLATE/bug.yml": "github-issue-forms",
    "ISSUE_TEMPLATE/feature.yml": "github-issue-forms",
    "ISSUE_TEMPLATE/config.yml": "github-issue-config",
}
"""Path below .github, and the published schema that check-jsonschema carries for it."""


def test_every_file_has_a_schema() -> None:
    found = (REPOSITORY / ".github").rglob("*.yml")
    assert {path.relative_to(REPOSITORY / ".github").as_posix() for path in found} == FILES.keys()


@pytest.mark.parametrize("name", FILES)
def test_a_file_follows_its_schema(name: str) -> None:
    document = yaml.safe_load((REPOSITORY / ".github" / name).read_text())
    if True in document:  # what YAML 1.1 reads `on` as
        document["on"] = document.pop(True)
    assert faults(document, FILES[name]) == []
    assert faults([], FILES[name])


@pytest.mark.parametrize("tag", ["v{}", "v{}.1"])
def test_a_release_has_the_lines_of_its_version_and_no_other_tag(tag: str, tmp_path: Path) -> None:
    """The very script of the workflow, in a checkout."""
    for name in ("pyproject.toml", "CHANGELOG.md"):
        shutil.copy(REPOSITORY / name, tmp_path)
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    steps = yaml.safe_load((REPOSITORY / ".github/workflows/release.yml").read_text())["jobs"]["release"][
        "steps"
    ]
    (script,) = (step["run"] for step in steps if "changelog" in step.get("name", ""))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        env=os.environ | {"PATH": path, "GITHUB_REF_NAME": tag.format(version)},
        check=False,
    )
    assert ended.returncode == (tag != "v{}")
    if tag == "v{}":
        notes = (tmp_path / "notes.md").read_text()
        changelog = (REPOSITORY / "CHANGELOG.md").read_text()
        assert notes in changelog
        after = changelog.split(f"## [{version}]")[1]
        assert notes.strip() == after[after.index("\n") :].split("\n## [")[0].strip()


def test_the_changelog_begins_with_this_version() -> None:
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    headings = re.findall(r"^## \[(.*?)\](.*)$", (REPOSITORY / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == ("Unreleased", "")
    assert headings[1][0] == version
    dates = [rest.removeprefix(" - ") for _, rest in headings[1:]]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", date) for date in dates)
    assert dates == sorted(dates, reverse=True)
