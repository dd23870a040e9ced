"""A copy by the commands of docs/how-to/back-up.md, made while others write, restores a store that the audit finds intact."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud.storage import Client

from fakenews_assets.governance.audit.audit_log import Audit
from fakenews_assets.governance.audit.chain import audit_request
from fakenews_resources.storage.store import LOG_FOLDER, Store
from tests.governance.audit.conftest import Project
from tests.support.buckets import served_bucket
from tests.support.watched import REPOSITORY

_SECTIONS = {
    section.partition("\n")[0]: re.findall(r"^```bash\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    for section in (REPOSITORY / "docs" / "how-to" / "back-up.md").read_text().split("\n## ")
}
COPY, RESTORE = _SECTIONS["A folder and SQLite"]
POINTERS, VALUES = re.split(r"(?=^tar .*values\.tar)", COPY, flags=re.MULTILINE)

GCLOUD = """
import os, re, sys
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

assert sys.argv[1:4] == ["storage", "rsync", "--recursive"] and sys.argv[6] == "--exclude"
(source, below), (target, into) = (one.removeprefix("gs://").split("/") for one in sys.argv[4:6])
client = storage.Client(project="test", credentials=AnonymousCredentials())
there = {blob.name: blob.md5_hash for blob in client.list_blobs(target, prefix=into + "/")}
for blob in client.list_blobs(source, prefix=below + "/"):
    name = blob.name.removeprefix(below + "/")
    if not re.match(sys.argv[7], name) and there.get(f"{into}/{name}") != blob.md5_hash:
        client.bucket(target).blob(f"{into}/{name}").upload_from_string(blob.download_as_bytes())
"""
"""Of gcloud's rsync what the page needs: an exclusion is matched from the beginning of a path below the source."""


def run(commands: str, folder: Path, **variables: str) -> None:
    """What a person would type in a project folder."""
    script = re.sub(r"^export BACKUP=.*\n", "", commands, flags=re.MULTILINE)
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", **variables}
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
    run(POINTERS, project.root, BACKUP=str(copy))
    version = write_meanwhile(project.store)
    run(VALUES, project.root, BACKUP=str(copy))
    shutil.rmtree(project.root / ".fakenews")

    restored.mkdir()
    run(RESTORE, restored, BACKUP=str(copy))
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


@pytest.mark.bucket
def test_a_restored_bucket_is_whole(
    project: Project, untouched: Audit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy, restore = _SECTIONS["A bucket"]
    names, pointers, values = copy.splitlines(keepends=True)
    program = tmp_path / "gcloud"
    program.write_text(f"#!{sys.executable}{GCLOUD}")
    program.chmod(0o755)
    monkeypatch.setenv("FAKENEWS_CACHE", str(tmp_path / "cache"))
    with served_bucket(monkeypatch, "my-fakenews"):
        variables = {
            "PROJECT": "my",
            "PATH": f"{tmp_path}:/usr/bin:/bin",
            "STORAGE_EMULATOR_HOST": os.environ["STORAGE_EMULATOR_HOST"],
        }
        client = Client(project="test", credentials=AnonymousCredentials())
        client.create_bucket("my-fakenews-backup")
        bucket = client.bucket("my-fakenews")
        for file in project.store.root.rglob("*"):
            if file.is_file():
                name = file.relative_to(project.store.root)
                bucket.blob(f"store/{name}").upload_from_filename(str(file))

        run(names + pointers, tmp_path, **variables)
        version = write_meanwhile(Store("gs://my-fakenews/store"))
        run(names + values, tmp_path, **variables)
        for blob in client.list_blobs("my-fakenews"):
            blob.delete()
        run(names + restore, tmp_path, **variables)

        store = Store("gs://my-fakenews/store").afresh(tmp_path / "afresh")
        assert store.current("splits").version == version
        audit = audit_request(store, store.backend.below(LOG_FOLDER), project.request_id)
    assert untouched.intact
    assert audit.intact
    assert len(audit.checks) == len(untouched.checks)
