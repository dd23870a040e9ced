"""Writes and reads the software bill of materials (CycloneDX).

CycloneDX 1.6 (ECMA-424), as JSON. A bill has neither a serial number nor a time, so that equal packages and an equal
model give equal bytes, and with them an equal bundle.
"""

# The library's classes are made by a decorator whose types hide what they take and hold.
# pyright: reportCallIssue=false, reportAttributeAccessIssue=false, reportArgumentType=false

import json
import re
import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any, Final

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import License
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from fakenews_assets.registry.bundle import SBOM_FILE

PROJECT: Final = "fakenews"
MODEL_REF: Final = "model"
"""Reference of the bundle's model within its bill."""

_LONGEST_LICENCE_NAME: Final = 60
"""Some packages put the whole text into the field that is meant for the name."""
_CHANGING: Final = ("serialNumber", "timestamp")


@cache
def installed_packages() -> Mapping[str, Distribution]:
    """The distributions that this process can import, by normalised name; the first on the path counts.

    Without those that setuptools brings along for itself, and puts on the path once something has imported it.
    """
    found: dict[str, Distribution] = {}
    for one in distributions(path=[entry for entry in sys.path if Path(entry).name != "_vendor"]):
        if name := one.metadata["Name"]:
            found.setdefault(canonicalize_name(name), one)
    return found


def write_sbom(
    packages: Mapping[str, Distribution], candidate: str, model_version: str, folder: Path
) -> None:
    """Write `sbom.cdx.json`: this project, the bundle's model, and every installed package with what it requires.

    Args:
        packages: by normalised name, as `installed_packages` returns them.
        candidate: the model's name.
        model_version: the version of its files in the store.
        folder: the bundle's draft.
    """
    bom = Bom()
    refs = {name: _component(name, package) for name, package in packages.items()}
    model = Component(
        name=candidate,
        version=model_version,
        type=ComponentType.MACHINE_LEARNING_MODEL,
        bom_ref=MODEL_REF,
        description="The model of this bundle: all that lies in its folder `model`.",
    )
    project = refs.pop(PROJECT, None) or Component(name=PROJECT, bom_ref=PROJECT)
    bom.metadata.component = project
    bom.components.update([model, *refs.values()])
    for name, package in packages.items():
        required = [refs[one] for one in _required(package) if one in refs]
        bom.register_dependency(project if name == PROJECT else refs[name], required)
    bom.register_dependency(project, [model])
    written = json.loads(JsonV1Dot6(bom).output_as_string())
    for part in (written, written["metadata"]):
        for name in _CHANGING:
            part.pop(name, None)
    text = json.dumps(written, indent=1, sort_keys=True, ensure_ascii=False)
    (folder / SBOM_FILE).write_text(text + "\n", encoding="utf-8")


def read_sbom(folder: Path) -> tuple[dict[str, str], str]:
    """Read back what `write_sbom` wrote.

    Returns:
        Version of every package, this project's included, by normalised name; and the version of the model.

    Raises:
        FileNotFoundError: the folder holds no bill.
        LookupError: it lacks something that every bill of ours has.
    """
    bill = json.loads((folder / SBOM_FILE).read_bytes())
    components: list[dict[str, Any]] = bill["components"]
    model = next((one for one in components if one["bom-ref"] == MODEL_REF), None)
    if model is None:
        raise LookupError(f"{SBOM_FILE} names no model.")
    packages = [bill["metadata"]["component"], *(one for one in components if one is not model)]
    return {one["name"]: one["version"] for one in packages if "version" in one}, model["version"]


@cache
def _component(name: str, package: Distribution) -> Component:
    if name == PROJECT:  # on no index, so it has no address there
        return Component(name=name, version=package.version, type=ComponentType.APPLICATION, bom_ref=name)
    purl = PackageURL("pypi", name=name, version=package.version)
    return Component(
        name=name,
        version=package.version,
        type=ComponentType.LIBRARY,
        bom_ref=purl.to_string(),
        purl=purl,
        licenses=_licences(package),
    )


def _licences(package: Distribution) -> list[License]:
    """What the metadata tell: the expression of PEP 639, else the old free field, else the classifiers."""
    meta, factory = package.metadata, LicenseFactory()
    if stated := meta["License-Expression"]:
        return [factory.make_from_string(stated)]
    field = (meta["License"] or "").strip()
    if field and "\n" not in field and len(field) <= _LONGEST_LICENCE_NAME and field.upper() != "UNKNOWN":
        return [factory.make_from_string(field)]
    classifiers = [one for one in meta.get_all("Classifier", []) if one.startswith("License :: ")]
    names = {one.rpartition(" :: ")[2] for one in classifiers} - {"OSI Approved"}
    return [factory.make_with_name(re.sub(r"\s*\(.*\)$", "", name)) for name in sorted(names)]


@cache
def _required(package: Distribution) -> list[str]:
    """Names of what a package needs here, without its extras."""
    found = []
    for line in package.requires or ():
        try:
            requirement = Requirement(line)
        except InvalidRequirement:  # of a package older than the standard
            continue
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            found.append(canonicalize_name(requirement.name))
    return found
