"""What GitHub reads: the workflow, Dependabot's file and the issue forms."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.deploy.files import faults

REPOSITORY = Path(__file__).parents[1]
FILES = {
    "workflows/ci.yml": "github-workflows",
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


def test_the_changelog_begins_with_this_version() -> None:
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    headings = re.findall(r"^## \[(.*?)\](.*)$", (REPOSITORY / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == ("Unreleased", "")
    assert headings[1][0] == version
    dates = [rest.removeprefix(" - ") for _, rest in headings[1:]]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", date) for date in dates)
    assert dates == sorted(dates, reverse=True)
