import json
from importlib.metadata import Distribution, version
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from fakenews_assets.registry.bundle import SBOM_FILE
from fakenews_assets.registry.champion import ChampionRegistry
from fakenews_assets.selection.sbom import installed_packages, read_sbom, write_sbom
from fakenews_resources.storage.store import Store


class Package(Distribution):
    """A distribution of which only the metadata exist."""

    def __init__(self, text: str) -> None:
        self.text = text

    def read_text(self, filename: str) -> str | None:
        return self.text if filename == "METADATA" else None

    def locate_file(self, path: object) -> Path:
        raise NotImplementedError


PACKAGES: dict[str, Distribution] = {
    "fakenews": Package("Name: fakenews\nVersion: 1\nRequires-Dist: apple>=1\nRequires-Dist: no-where"),
    "apple": Package(
        "Name: Apple\nVersion: 2+cpu\nLicense-Expression: MIT OR Apache-2.0\nRequires-Dist: pear ; extra == 'x'\n"
        "Requires-Dist: plum ; python_version > '3'\nRequires-Dist: a broken line"
    ),
    "pear": Package("Name: pear\nVersion: 3\nClassifier: License :: OSI Approved :: MIT License (Expat)"),
    "plum": Package("Name: plum\nVersion: 4\nLicense: BSD-3-Clause"),
    "rowan": Package("Name: rowan\nVersion: 5\nLicense: All of a long text\n  over several lines"),
}


@pytest.fixture
def bill(tmp_path: Path) -> dict:
    write_sbom(PACKAGES, "finetuned", "a" * 32, tmp_path)
    return json.loads((tmp_path / SBOM_FILE).read_bytes())


def test_packages_carry_version_address_and_licence(bill: dict):
    components = {one["name"]: one for one in bill["components"]}

    assert sorted(components) == ["apple", "finetuned", "pear", "plum", "rowan"]
    assert components["finetuned"]["type"] == "machine-learning-model"
    assert components["apple"]["purl"] == "pkg:pypi/apple@2%2Bcpu"
    assert components["apple"]["licenses"] == [{"expression": "MIT OR Apache-2.0"}]
    assert components["pear"]["licenses"] == [{"license": {"name": "MIT License"}}]
    assert components["plum"]["licenses"] == [{"license": {"id": "BSD-3-Clause"}}]
    assert "licenses" not in components["rowan"]
    assert bill["metadata"]["component"]["version"] == "1"


def test_what_a_package_requires_here_is_known(bill: dict):
    edges = {one["ref"]: one.get("dependsOn", []) for one in bill["dependencies"]}

    assert edges["fakenews"] == ["model", "pkg:pypi/apple@2%2Bcpu"]
    assert edges["pkg:pypi/apple@2%2Bcpu"] == ["pkg:pypi/plum@4"]


def test_equal_packages_give_equal_bytes_in_any_order(tmp_path: Path):
    files = []
    for name, packages in (("one", PACKAGES), ("two", dict(reversed(PACKAGES.items())))):
        (tmp_path / name).mkdir()
        write_sbom(packages, "finetuned", "a" * 32, tmp_path / name)
        files.append((tmp_path / name / SBOM_FILE).read_bytes())

    assert files[0] == files[1]
    assert read_sbom(tmp_path / "one") == (
        {"fakenews": "1", "apple": "2+cpu", "pear": "3", "plum": "4", "rowan": "5"},
        "a" * 32,
    )


def test_a_bill_of_something_else_is_refused(tmp_path: Path):
    (tmp_path / SBOM_FILE).write_text('{"components": [], "metadata": {"component": {"name": "x"}}}')
    with pytest.raises(LookupError, match="names no model"):
        read_sbom(tmp_path)


def test_a_bundle_lists_what_is_installed_by_the_official_schema(trained: Path):
    models = Store(trained / ".fakenews").bundles.root
    pointer = ChampionRegistry(models).champion()
    assert pointer is not None
    folder = models / pointer.bundle
    text = (folder / SBOM_FILE).read_text(encoding="utf-8")

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    packages, model = read_sbom(folder)
    assert packages == {name: one.version for name, one in installed_packages().items()}
    assert packages["torch"] == version("torch")
    assert model == Store(trained / ".fakenews").current("baseline_model").version
    assert "/usr/" not in text
    assert str(Path.home()) not in text
