"""Audits the files of a bundle against its manifest and the stored versions."""

import subprocess
from datetime import datetime
from pathlib import Path
from typing import Final

from fakenews_assets.evaluation.reports.reporting import EVALUATION_FILE
from fakenews_assets.governance.audit.audit_log import AuditLog, shown
from fakenews_assets.governance.audit.versions import Versions
from fakenews_assets.models.calibration import CALIBRATION_FILE, read_calibration
from fakenews_assets.models.out_of_distribution import OOD_FILE
from fakenews_assets.registry.bundle import (
    MANIFEST_FILE,
    MODEL_FOLDER,
    PREPARE_FILE,
    SBOM_FILE,
    BundleMissing,
    Manifest,
    files_of,
    missing_parts,
)
from fakenews_assets.registry.bundles import read_record
from fakenews_assets.registry.signing import signature_fault
from fakenews_assets.selection.sbom import read_sbom
from fakenews_resources.storage.backend import Backend
from fakenews_resources.storage.hashing import compare_files, hash_file, hash_files, version_of

_DIRTY: Final = "-dirty"
_UNKNOWN_COMMIT: Final = 1
"""Exit status of `git rev-parse` for an unknown name; any other means that there is no repository."""


def read_manifest(audit_log: AuditLog, folder: Path) -> Manifest | None:
    """The manifest; None if it cannot be read."""
    with audit_log.reading("bundle", MANIFEST_FILE, recorded=folder.name):
        if not folder.is_dir():
            raise BundleMissing(f"There is no bundle {folder.name} in {folder.parent}.")
        file = folder / MANIFEST_FILE
        found = hash_file(file).sha256
        audit_log.compare(
            "bundle", MANIFEST_FILE, folder.name, found, "changed: its hash is not the bundle's name"
        )
        return Manifest.model_validate_json(file.read_bytes())
    return None


def audit_files(audit_log: AuditLog, folder: Path, manifest: Manifest) -> bool:
    """Hash every file of a bundle. Returns whether all match the manifest."""
    found = files_of(folder)
    faults = compare_files(manifest.files, found)
    for name in sorted(manifest.files.keys() | found.keys()):
        was, now = manifest.files.get(name), found.get(name)
        audit_log.add(
            "bundle",
            name,
            was.sha256 if was else "none",
            now.sha256 if now else "missing",
            faults.get(name, ""),
        )
    if missing := missing_parts(folder):
        audit_log.agree("bundle", folder.name, "complete", f"it lacks {', '.join(missing)}")
    with audit_log.reading("bundle", CALIBRATION_FILE, recorded=MANIFEST_FILE):
        fault = "" if read_calibration(folder) == manifest.calibration else "not the manifest's calibration"
        audit_log.agree("calibration", CALIBRATION_FILE, MANIFEST_FILE, fault)
    return not faults


def audit_record(audit_log: AuditLog, bundles: Backend, sha: str) -> datetime | None:
    """When the bundle was made, according to its record."""
    with audit_log.reading("bundle", f"{sha}.json", recorded=sha):
        record = read_record(bundles, sha)
        audit_log.compare("bundle", f"{sha}.json", sha, record.sha, "the record of another bundle")
        return record.created_at
    return None


def audit_signature(audit_log: AuditLog, bundles: Backend, sha: str, key: Path) -> None:
    """Verify the signature of a bundle's manifest and files with a public key."""
    with audit_log.reading("signature", sha, recorded=key.name):
        audit_log.agree("signature", sha, key.name, signature_fault(bundles, sha, key))


def audit_copies(audit_log: AuditLog, folder: Path, manifest: Manifest, versions: Versions) -> None:
    """Compare the bundle's files with the versions that they were copied from."""
    judged = f"evaluation/{manifest.candidate}"
    evaluation = versions.readable.get(judged)
    model = version_of(hash_files(folder / MODEL_FOLDER))
    keys = [key for key, version in manifest.data_versions.items() if version == model]
    fault = "" if keys else "its files match no model that the manifest names"
    if evaluation is not None and model != evaluation.meta.get("model"):
        fault = f"{judged} is of another model"
    expected = evaluation.meta.get("model") if evaluation else "unknown"
    audit_log.add("model", f"{MODEL_FOLDER}/", expected, f"{model} {' '.join(keys)}".rstrip(), fault)
    if evaluation is None:
        audit_log.not_checked.append(f"The copy of {judged}: the stored evaluation is missing or damaged.")
    else:
        # A model may be judged without the out-of-distribution check.
        optional = [OOD_FILE] if OOD_FILE in manifest.files else []
        for name in (EVALUATION_FILE, CALIBRATION_FILE, *optional):
            with audit_log.reading("copy", name, recorded=judged):
                original, copy = hash_file(evaluation.path / name), hash_file(folder / name)
                audit_log.compare("copy", name, original.sha256, copy.sha256, f"not the file of {judged}")
    batches = [one for key, one in versions.readable.items() if key.startswith("clean_news/")]
    with audit_log.reading("copy", PREPARE_FILE, recorded="clean_news"):
        copy = hash_file(folder / PREPARE_FILE)
        known = any(hash_file(one.path / PREPARE_FILE) == copy for one in batches)
        audit_log.agree(
            "copy", PREPARE_FILE, "clean_news", "" if known else "no readable batch was prepared like this"
        )


def audit_sbom(audit_log: AuditLog, folder: Path, manifest: Manifest) -> None:
    """Compare the bill of materials with the manifest's packages and with the model."""
    with audit_log.reading("packages", SBOM_FILE, recorded=MANIFEST_FILE):
        packages, model = read_sbom(folder)
        wrong = [
            f"{name} is {packages.get(name, 'missing')}, in the manifest {version}"
            for name, version in sorted(manifest.package_versions.items())
            if packages.get(name) != version
        ]
        audit_log.agree("packages", SBOM_FILE, f"{len(packages)} packages", shown(wrong))
        found = version_of(hash_files(folder / MODEL_FOLDER))
        audit_log.compare("model", SBOM_FILE, model, found, "not the model in the bundle")


def audit_commit(audit_log: AuditLog, commit: str | None) -> None:
    """Look up the code's commit in the repository, if there is one."""
    if commit is None:
        audit_log.not_checked.append("The code: the bundle was made outside a repository.")
        return
    if commit.endswith(_DIRTY):
        audit_log.not_checked.append("The code's changes since its commit: they were never committed.")
    name = commit.removesuffix(_DIRTY)
    asked = ["git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"]
    try:
        answer = subprocess.run(asked, cwd=Path(__file__).parent, capture_output=True, text=True)
    except OSError:
        answer = None
    if answer is None or answer.returncode not in (0, _UNKNOWN_COMMIT):
        audit_log.not_checked.append("The code: there is no repository here to look up its commit.")
        return
    found = answer.stdout.strip() or "missing"
    audit_log.compare("code", "git commit", name, found, "not in this repository: fetch it")
