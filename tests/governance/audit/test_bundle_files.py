from pathlib import Path

from fakenews_assets.governance.audit.audit_log import AuditLog
from fakenews_assets.governance.audit.bundle_files import audit_files, audit_sbom
from fakenews_assets.registry.bundle import Bundle, open_bundle
from tests.support.champions import make_champion


def bundle_of(models: Path) -> Bundle:
    models.mkdir()
    return open_bundle(models / make_champion(models))


def test_the_bill_of_materials_agrees_with_manifest_and_model(tmp_path: Path) -> None:
    audit_log, bundle = AuditLog(), bundle_of(tmp_path / "models")
    audit_sbom(audit_log, bundle.path, bundle.manifest)
    assert [(check.what, check.name, check.fault) for check in audit_log.checks] == [
        ("packages", "sbom.cdx.json", ""),
        ("model", "sbom.cdx.json", ""),
    ]
    assert audit_log.not_checked == []


def test_packages_that_the_bill_does_not_know_are_a_finding(tmp_path: Path) -> None:
    audit_log, bundle = AuditLog(), bundle_of(tmp_path / "models")
    other = bundle.manifest.model_copy(update={"package_versions": {"torch": "1.0"}})
    audit_sbom(audit_log, bundle.path, other)
    assert audit_log.checks[0].fault == "torch is missing, in the manifest 1.0"


def test_a_bill_of_another_model_is_a_finding(tmp_path: Path) -> None:
    audit_log, bundle = AuditLog(), bundle_of(tmp_path / "models")
    (bundle.model / "config.json").write_text("{}")
    audit_sbom(audit_log, bundle.path, bundle.manifest)
    assert audit_log.checks[1].fault == "not the model in the bundle"


def test_a_bundle_is_complete_with_its_own_files(tmp_path: Path) -> None:
    audit_log, bundle = AuditLog(), bundle_of(tmp_path / "models")
    assert audit_files(audit_log, bundle.path, bundle.manifest)
    audit_sbom(audit_log, bundle.path, bundle.manifest)
    assert all(check.ok for check in audit_log.checks)
    assert audit_log.not_checked == []


def test_a_new_bundle_without_its_bill_is_incomplete(tmp_path: Path) -> None:
    audit_log, bundle = AuditLog(), bundle_of(tmp_path / "models")
    (bundle.path / "sbom.cdx.json").unlink()
    assert not audit_files(audit_log, bundle.path, bundle.manifest)
    assert "it lacks sbom.cdx.json" in [check.fault for check in audit_log.checks]
