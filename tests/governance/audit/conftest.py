"""A project whose champion has answered, a second bundle beside it, and copies of it to spoil."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from fakenews_assets.governance.audit.audit_log import Audit
from fakenews_assets.governance.audit.chain import audit_request
from fakenews_assets.monitoring.assets import prediction_log
from fakenews_assets.monitoring.log.sealing import seal_and_publish
from fakenews_assets.registry.bundle import MANIFEST_FILE, Manifest, write_bundle
from fakenews_resources.storage.artifact import Artifact
from fakenews_resources.storage.hashing import hash_files
from fakenews_resources.storage.io_manager import ArtifactIOManager, Storage
from fakenews_resources.storage.store import Store
from tests.support.watched import Watched, sample_articles


@dataclass(frozen=True)
class Project:
    """A project folder with one answer to audit."""

    root: Path
    request_id: str
    other_bundle: str
    """Not the champion, and sound."""

    @property
    def store(self) -> Store:
        return Store(self.root / ".fakenews")

    @property
    def service_log(self) -> Path:
        return self.store.root / "service_log"

    @property
    def models(self) -> Path:
        return self.store.bundles.root

    @property
    def bundle(self) -> Path:
        return self.models / Watched(self.root).champion

    @property
    def day(self) -> str:
        (folder,) = self.service_log.glob("????-??-??")
        return folder.name

    @property
    def lines(self) -> Path:
        """The service's log of the day."""
        (file,) = self.service_log.glob("*/predictions-*.jsonl")
        return file

    def stored(self, key: str) -> Artifact:
        return self.store.current(key)

    def record(self, key: str) -> Path:
        path = self.stored(key).path
        return path.with_name(f"{path.name}.json")

    def rehash(self, key: str) -> None:
        """Make a version's record agree with its files, as somebody would who knows how."""
        edit_json(
            self.record(key),
            files={n: one.model_dump() for n, one in hash_files(self.stored(key).path).items()},
        )

    def audit(self) -> Audit:
        return audit_request(self.store, self.service_log, self.request_id)


def flip_byte(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0x01
    file.write_bytes(data)


def edit_json(file: Path, **changes: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


@pytest.fixture(scope="session")
def answered(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Shared: copy it before you change it."""
    root = tmp_path_factory.mktemp("answered") / "project"
    shutil.copytree(trained, root)
    watched = Watched(root)
    today = datetime.now(UTC).date()
    request_id = watched.answer(sample_articles(3), today)[1]
    storage = Storage(root=str(watched.store.root))
    resources = {"storage": storage, "io_manager": ArtifactIOManager(storage=storage)}
    assert dg.materialize([prediction_log], partition_key=today.isoformat(), resources=resources).success

    models, draft = watched.store.bundles.root, watched.store.bundles.root / ".draft"
    shutil.copytree(models / watched.champion, draft)
    manifest = Manifest.model_validate_json((draft / MANIFEST_FILE).read_bytes())
    (draft / MANIFEST_FILE).unlink()
    (draft / "model_card.md").write_text("# Another card\n")
    other = write_bundle(draft, models, manifest.model_copy(update={"files": {}}))
    seal_and_publish(watched.store.backend, storage.log_backend(watched.store))
    return Project(root, request_id, other)


@pytest.fixture(scope="session")
def untouched(answered: Project) -> Audit:
    """What the audit says before anybody has changed anything."""
    return answered.audit()


@pytest.fixture
def project(answered: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A copy, as working directory and DAGSTER_HOME of this test."""
    root = tmp_path / "project"
    shutil.copytree(answered.root, root)
    monkeypatch.chdir(root)
    monkeypatch.setenv("DAGSTER_HOME", str(root))
    return Project(root, answered.request_id, answered.other_bundle)


Plant = Callable[[Project], None]
