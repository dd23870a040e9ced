"""A training's curves at Weights & Biases, which is offline, well, absent, broken or silent."""

import logging
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from fakenews_assets.training.assets import finetuned_bert, hyperparameter_search
from fakenews_assets.training.finetuning.history import Progress, TrainingHistory
from fakenews_assets.training.finetuning.result import FinetuneResult, read_result
from fakenews_assets.training.metadata import TrainingLog
from fakenews_resources.storage.hashing import digest
from fakenews_resources.storage.io_manager import ArtifactIOManager, Storage
from fakenews_resources.storage.store import Store
from fakenews_resources.tracking.resource import Mode, Tracker
from fakenews_resources.tracking.run import Limits, Tracked
from tests.support.models import separable_articles
from tests.support.wandb_runs import history, records, runs, untimed
from tests.support.wandb_server import KEY, Mood, WandbServer

WANDB = Path(sys.executable).with_name("wandb")

pytestmark = pytest.mark.usefixtures("own_wandb")


def materialize(
    root: Path, asset: dg.AssetsDefinition, config: dict[str, Any], mode: Mode, **limits: Any
) -> dg.ExecuteInProcessResult:
    """Materialize an asset that needs nothing but splits."""
    storage = Storage(root=str(root))
    draft = storage.store.draft()
    for seed, split in enumerate(("train", "val")):
        articles = separable_articles(96, seed=seed).with_columns(
            source=pl.lit(None, pl.String), batch=pl.lit("b1")
        )
        articles.write_parquet(draft.path / f"{split}.parquet")
    storage.store.commit("splits", draft)
    return dg.materialize(
        [dg.AssetSpec("splits"), asset],
        resources={
            "storage": storage,
            "io_manager": ArtifactIOManager(storage=storage),
            "tracker": Tracker(storage=storage, mode=mode, **limits),
        },
        run_config={"ops": {asset.key.to_user_string(): {"config": config}}},
    )


def tiny(encoder: Path) -> dict[str, Any]:
    return {
        "encoder": {"name": str(encoder), "max_tokens": 64},
        "max_tokens": 32,
        "epochs": 1,
        "batch_size": 4,
    }


def train(
    root: Path, encoder: Path, mode: Mode, **limits: Any
) -> tuple[FinetuneResult, str, dict[str, Any], str]:
    """Materialize finetuned_bert. Returns: what it did, the digest of its weights, its metadata, and the run's id."""
    result = materialize(root, finetuned_bert, tiny(encoder), mode, **limits)
    (event,) = result.asset_materializations_for_node("finetuned_bert")
    model = Store(root).current("finetuned_bert").path
    metadata = {name: value.value for name, value in event.metadata.items()}
    return read_result(model), digest(model / "model.safetensors"), metadata, result.run_id


def curves(result: FinetuneResult) -> list[dict[str, Any]]:
    """The history of a training as rows, one for each step with a point."""
    rows: dict[int, dict[str, Any]] = {}
    for split, points in (("train", result.history.training), ("validation", result.history.validation)):
        for point in points:
            values = {f"{split}/{name}": value for name, value in point.model_dump(exclude={"step"}).items()}
            rows.setdefault(point.step, {}).update(values)
    return [{"_step": step, **row} for step, row in sorted(rows.items())]


def without_speed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    kept = [{name: value for name, value in row.items() if name != "rows_per_second"} for row in rows]
    return [row for row in kept if len(row) > 1]


def test_an_offline_run_holds_the_curves_and_wandb_sync_sends_it(
    tmp_path: Path, tiny_bert: Path, wandb_server: WandbServer
) -> None:
    result, _, metadata, run_id = train(tmp_path / "store", tiny_bert, "offline")

    (folder,) = runs(tmp_path / "store")
    assert metadata["wandb"] == str(folder)
    assert without_speed(history(folder)) == curves(result)
    assert any("rows_per_second" in row for row in history(folder))
    (begun,) = (one.run for one in records(folder) if one.HasField("run"))
    assert (begun.display_name, begun.run_group, begun.project) == ("finetuned_bert", run_id, "fakenews")
    assert {one.key: one.value_json for one in begun.config.update}["batch_size"] == "4"
    assert wandb_server.asked == []

    own = {"WANDB_BASE_URL": wandb_server.url, "WANDB_MODE": "online", "XDG_CONFIG_HOME": str(tmp_path)}
    told = subprocess.run(
        [WANDB, "sync", folder],
        env=os.environ | own,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert told.returncode == 0, told.stderr
    (run,) = wandb_server.runs
    assert without_speed([untimed(row) for row in wandb_server.history(run)]) == curves(result)
    assert wandb_server.finished == {run: 0}


def test_an_online_run_is_on_the_server_and_the_key_stays_where_it_was(
    tmp_path: Path, tiny_bert: Path, wandb_server: WandbServer
) -> None:
    result, _, metadata, run_id = train(
        tmp_path / "store", tiny_bert, "online", host=wandb_server.url, entity="us"
    )

    (run,) = wandb_server.runs
    assert metadata["wandb"] == f"{wandb_server.url}/us/fakenews/runs/{run}"
    assert without_speed([untimed(row) for row in wandb_server.history(run)]) == curves(result)
    assert wandb_server.finished == {run: 0}
    said = wandb_server.runs[run]
    assert (said["entity"], said["groupName"], said["tags"]) == ("us", run_id, ["finetuned_bert"])
    written = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert [file for file in written if KEY.encode() in file.read_bytes()] == []


@pytest.fixture(scope="module")
def untracked(tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path) -> str:
    """The digest of the weights that a training without tracking ends with."""
    return train(tmp_path_factory.mktemp("untracked"), tiny_bert, "off")[1]


@pytest.mark.parametrize("mood", ["absent", "silent", "broken"])
def test_a_server_that_fails_costs_a_training_seconds_and_nothing_else(
    mood: Mood, tmp_path: Path, tiny_bert: Path, wandb_server: WandbServer, untracked: str
) -> None:
    wandb_server.be(mood)
    began = time.monotonic()

    result, weights, metadata, _ = train(
        tmp_path / "store", tiny_bert, "online", host=wandb_server.url, timeout_seconds=2, patience_seconds=20
    )

    assert time.monotonic() - began < result.seconds + 30
    assert weights == untracked
    (folder,) = runs(tmp_path / "store")
    assert metadata["wandb"] == str(folder)
    assert without_speed(history(folder)) == curves(result)


@pytest.mark.parametrize("step", [0, 40])
def test_a_training_that_resumes_says_so_before_its_run_begins(step: int) -> None:
    tracked = Tracked("finetuned_bert", Limits(1, 1, None), print, None)
    history = TrainingHistory(steps_per_epoch=60, training=[], validation=[])
    TrainingLog(logging.getLogger(), tracked)(Progress(1, 1, 50, step, 60, history, 1.0, None, False))
    assert tracked.resumed is bool(step)


def test_a_search_tracks_every_trial(tmp_path: Path, tiny_bert: Path) -> None:
    config = {"base": tiny(tiny_bert), "trials": 2, "evaluations_per_epoch": 1, "rows": 64, "val_rows": 32}

    assert materialize(tmp_path, hyperparameter_search, config, "offline").success

    found = Store(tmp_path).current("hyperparameter_search").read_json("search.json")
    (folder,) = runs(tmp_path)
    expected = [
        {"_step": one["number"], "macro_f1": one["value"], "seconds": one["seconds"], **one["params"]}
        for one in found["trials"]
    ]
    rows = history(folder)
    assert len(expected) == 2
    assert rows[0] == expected[0]
    assert rows[1].items() >= expected[1].items()
    assert rows[1]["trials.nrows"] == 2
