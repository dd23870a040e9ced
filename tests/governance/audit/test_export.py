"""An export is verified without its store, by the command and by the page's lines without our code."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from fakenews_assets.governance.audit.audit_log import Audit
from fakenews_assets.governance.export.exporting import export_evidence
from fakenews_assets.governance.export.verifying import NoExport, verify_export
from fakenews_assets.registry.signing import sign_bundle
from fakenews_resources.storage.backend import FolderBackend
from tests.governance.audit.conftest import Project, edit_json, flip_byte
from tests.support.sealed import make_keys
from tests.support.watched import REPOSITORY

PAGE = (REPOSITORY / "docs" / "how-to" / "verify.md").read_text()
WITHOUT_OUR_CODE = "\n".join(
    re.findall(r"^```bash\n(.*?)^```", PAGE.partition("## Without our code")[2], re.MULTILINE | re.DOTALL)
)


@pytest.fixture(scope="module")
def exported(answered: Project, untouched: Audit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shared: copy it before you change it."""
    target = tmp_path_factory.mktemp("exported")
    log = FolderBackend(answered.service_log)
    export_evidence(answered.store, log, untouched, [datetime.fromisoformat(answered.day).date()], target)
    return target


@pytest.fixture
def export(exported: Path, tmp_path: Path) -> Path:
    """Signed, with the last published head and the public key beside it."""
    shutil.copytree(exported, tmp_path / "evidence")
    private, _ = make_keys(tmp_path)
    for file in tmp_path.glob("evidence/models/*/manifest.json"):
        sign_bundle(FolderBackend(tmp_path / "evidence" / "models"), file.parent.name, private)
    last = sorted((exported / "heads").iterdir())[-1]
    (tmp_path / "published").mkdir()
    shutil.copy(last, tmp_path / "published")
    return tmp_path / "evidence"


def verified(export: Path) -> Audit:
    return verify_export(export, FolderBackend(export.parent / "published"), export.parent / "public.pem")


def checked_without_our_code(export: Path) -> str:
    (head,) = (export.parent / "published").iterdir()
    script = re.sub(r"HEAD=\S+", f"HEAD={head}", WITHOUT_OUR_CODE)
    done = subprocess.run(
        ["bash", "-c", script], cwd=export.parent, text=True, capture_output=True, timeout=120
    )
    return done.stdout + done.stderr


def manifest(export: Path) -> Path:
    return sorted(export.glob("models/*/manifest.json"))[0]


def record(export: Path) -> Path:
    return next(export.glob("splits/*.json"))


def edit_line(export: Path) -> None:
    (lines,) = export.glob("service_log/*/predictions-*.jsonl")
    lines.write_text(lines.read_text().replace('"row": 1', '"row": 2', 1))


def cut_chain(export: Path) -> None:
    (seals,) = export.glob("seals/*.jsonl")
    seals.write_text("".join(seals.read_text().splitlines(keepends=True)[:-1]))
    for head in export.glob("heads/*.json"):
        head.unlink()


def swap_signatures(export: Path) -> None:
    one, other, *_ = sorted(export.glob("models/*.sig"))
    shutil.copy(one, other)


TAMPERED: dict[str, Callable[[Path], None]] = {
    "record edited": lambda export: edit_json(record(export), run_id="another"),
    "record removed": lambda export: record(export).unlink(),
    "manifest edited": lambda export: flip_byte(manifest(export)),
    "history edited": lambda export: flip_byte(export / "models" / "champion_history.jsonl"),
    "seal edited": lambda export: flip_byte(next(export.glob("service_log/seals/*.jsonl"))),
    "chain and heads cut": cut_chain,
    "digests edited": lambda export: flip_byte(next(export.glob("service_log/*/*.sha256"))),
    "line edited": edit_line,
    "signatures swapped": swap_signatures,
}


def test_an_untouched_export_is_verified_by_both_ways(export: Path) -> None:
    audit = verified(export)
    assert audit.faults == ()
    assert {"seals", "head", "sealed record", "version", "bundle", "signature", "lineage", "log lines"} <= {
        check.what for check in audit.checks
    }
    assert checked_without_our_code(export) == ""


@pytest.mark.parametrize("plant", TAMPERED.values(), ids=TAMPERED)
def test_tampering_with_an_export_is_found_by_both_ways(plant: Callable[[Path], None], export: Path) -> None:
    plant(export)
    assert verified(export).faults
    assert checked_without_our_code(export)


def test_an_export_that_lacks_its_seals_is_a_fault(export: Path) -> None:
    for folder in ("seals", "heads"):
        shutil.rmtree(export / folder)
    assert any("nothing says what belongs here" in check.fault for check in verify_export(export).faults)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoExport, match="has no records"):
        verify_export(tmp_path)


def test_a_manifest_that_names_what_has_no_record_is_a_fault(export: Path) -> None:
    named = json.loads(manifest(export).read_text())["data_versions"]
    (export / "splits" / f"{named['splits']}.json").unlink()
    assert any(check.what == "lineage" for check in verify_export(export).faults)
