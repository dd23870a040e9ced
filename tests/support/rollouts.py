"""A graph on a bucket whose service is on the stand-in for Google Cloud, for tests of rollouts."""

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from fakenews_assets.automation.jobs import roll_out_champion
from fakenews_assets.automation.sensors.rollout import rollout_sensor
from fakenews_assets.selection.assets import champion, rollback_champion
from fakenews_assets.serving.assets import rollout
from fakenews_assets.serving.rollout import RolloutRecord
from fakenews_resources.cloud_run import CloudRun
from fakenews_resources.notifier import Notice, Notifier
from fakenews_resources.storage.io_manager import ArtifactIOManager, Storage
from fakenews_resources.storage.store import Store
from fakenews_resources.tracking.resource import Tracker
from tests.support.champions import make_champion
from tests.support.google_cloud import SERVICE, GoogleCloud

OLD = "fakenews-00001-abc"
"""The revision that was deployed by hand."""

told: list[Notice] = []


class Listener(Notifier):
    def notify(self, notice: Notice) -> None:
        told.append(notice)


class Project:
    """A graph on a bucket, whose service is on the stand-in for Google Cloud."""

    def __init__(self, cloud: GoogleCloud, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cloud = cloud
        self.storage = Storage(root="gs://news/prod")
        self.instance = dg.DagsterInstance.ephemeral()
        self.monkeypatch = monkeypatch
        self.set(service=SERVICE, minutes="30")
        told.clear()
        self.defs = dg.Definitions(
            assets=[champion, rollout],
            jobs=[roll_out_champion, rollback_champion, dg.define_asset_job("note", selection=["champion"])],
            sensors=[rollout_sensor],
            resources={
                "storage": self.storage,
                "io_manager": ArtifactIOManager(storage=self.storage),
                "cloud_run": CloudRun(service=SERVICE, api=cloud.url, poll_seconds=0.01),
                "notifier": Listener(),
                "tracker": Tracker(storage=self.storage, mode="off"),
            },
        )
        self.commit("selected_model", {"decision": "none"}, {})

    @property
    def store(self) -> Store:
        return self.storage.store

    @property
    def record(self) -> RolloutRecord:
        return RolloutRecord.read(self.store.current("rollout").path)

    def set(self, **settings: str) -> None:
        for name, value in settings.items():
            self.monkeypatch.setenv(f"FAKENEWS_ROLLOUT_{name.upper()}", value)

    def commit(self, key: str, files: dict[str, str], meta: dict[str, Any]) -> None:
        draft = self.store.draft()
        for name, text in files.items():
            (draft.path / name).write_text(text)
        draft.meta.update(meta)
        self.store.commit(key, draft)

    def promote(self, seed: int) -> str:
        """What a selection leaves behind. Returns: the bundle."""
        bundle = make_champion(self.store.bundles, seed=seed)
        self.run("note")
        return bundle

    def build_bento(self, bundle: str) -> str:
        """What the job of that name leaves behind. Returns: the context's version."""
        self.commit("container_context", {"Dockerfile": bundle}, {"model_id": bundle})
        return self.store.current("container_context").version

    def run(self, job: str, config: dict[str, Any] | None = None, *, success: bool = True) -> dg.DagsterRun:
        ended = self.defs.resolve_job_def(job).execute_in_process(
            instance=self.instance, run_config=config, raise_on_error=False
        )
        assert ended.success is success
        return ended.dagster_run

    def roll_out(self, **wish: Any) -> dg.DagsterRun:
        return self.run("roll_out_champion", {"ops": {"rollout": {"config": wish}}})

    def tick(self) -> str:
        """What the sensor says if it asks for nothing. A run that it asks for is executed, as the daemon would do."""
        with dg.build_sensor_context(
            instance=self.instance,
            repository_def=self.defs.get_repository_def(),
            resources={"storage": self.storage},
        ) as context:
            found = rollout_sensor.evaluate_tick(context)
        for request in found.run_requests or []:
            self.defs.resolve_job_def("roll_out_champion").execute_in_process(
                instance=self.instance,
                tags={"dagster/run_key": request.run_key or ""},
                raise_on_error=False,
            )
        return found.skip_message or "asked for a run"

    def end_the_trial(self) -> None:
        """As if its time were over."""
        record = self.record
        early = record.model_copy(update={"look_at": datetime.now(UTC) - timedelta(seconds=1)})
        self.commit("rollout", {"rollout.json": early.model_dump_json()}, {})

    def roll_back(self, reason: str) -> None:
        """By the job."""
        self.run("rollback_champion", {"ops": {"move_champion_back": {"config": {"reason": reason}}}})
