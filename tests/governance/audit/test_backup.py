"""A copy by the commands of docs/how-to/back-up.md, made while others write, restores a store that the audit finds intact."""

import re
import shutil
import subprocess
from pathlib import Path

import dagster as dg
import pytest

from fakenews_assets.governance.audit.audit_log import Audit
from fakenews_assets.governance.audit.chain import audit_request
from fakenews_resources.storage.store import Store
from tests.governance.audit.conftest import Project
from tests.support.watched import REPOSITORY

_SECTION = (REPOSITORY / "docs" / "how-to" / "back-up.md").read_text().split("\n## ")[1]
COPY, RESTORE = re.findall(r"^```bash\n(.*?)^```", _SECTION, re.MULTILINE | re.DOTALL)
POINTERS, VALUES = re.split(r"(?=^tar .*values\.tar)", COPY, flags=re.MULTILINE)


def run(commands: str, folder: Path, copy: Path) -> None:
    """What a person would type in a project folder."""
    script = re.sub(r"^export BACKUP=.*\n", "", commands, flags=re.MULTILINE)
    environment = {"BACKUP": str(copy), "PATH": "/usr/local/bin:/usr/bin:/bin"}
    subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=folder, env=environment, check=True)


def write_meanwhile(store: Store) -> str:
    """A new version of the splits; gives the version before."""
    before = store.current("splits")
    draft = store.draft()
    shutil.copytree(before.path, draft.path, dirs_exist_ok=True)
    (draft.path / "note.txt").write_text("made while the copy was")
    store.commit("splits", draft)
    return before.version


@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="sqlite3 is not installed here")
def test_a_restored_copy_is_whole(
    project: Project, untouched: Audit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = project.root / ".dagster"
    home.mkdir()
    for part in ("history", "schedules"):
        shutil.move(project.root / part, home / part)
    copy, restored = tmp_path / "copy", tmp_path / "restored"
    run(POINTERS, project.root, copy)
    version = write_meanwhile(project.store)
    run(VALUES, project.root, copy)
    shutil.rmtree(project.root / ".fakenews")

    restored.mkdir()
    run(RESTORE, restored, copy)
    monkeypatch.chdir(restored)
    store = Store(restored / ".fakenews")
    assert store.current("splits").version == version
    audit = audit_request(store, restored / ".fakenews" / "service_log", project.request_id)
    assert untouched.intact
    assert audit.intact
    assert len(audit.checks) == len(untouched.checks)
    shutil.copy(REPOSITORY / "dagster.yaml", restored / ".dagster")
    with dg.DagsterInstance.from_config(str(restored / ".dagster")) as instance:
        assert instance.get_dynamic_partitions("news_batches") == ["b1"]
        assert instance.get_runs_count(dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS])) > 0
