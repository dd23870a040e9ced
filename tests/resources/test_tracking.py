"""Runs of Weights & Biases, without a server and with one that fails."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from fakenews_assets.common.plotting import new_figure, to_png
from fakenews_resources.storage.io_manager import Storage
from fakenews_resources.tracking.resource import Mode, mode_from_environment, tracker_from_environment
from fakenews_resources.tracking.run import Tracked
from tests.support.buckets import Gate, objects
from tests.support.buckets import gate as gate
from tests.support.wandb_runs import history, records, run_step, runs, untimed
from tests.support.wandb_server import KEY, WandbServer

pytestmark = pytest.mark.usefixtures("own_wandb")


def test_a_server_that_falls_silent_in_the_middle_is_waited_for_no_longer_than_allowed(
    tmp_path: Path, wandb_server: WandbServer
) -> None:
    took = []

    def body(tracked: Tracked) -> None:
        for step in (1, 2, 3):
            tracked.log({"loss": 1 / step}, step)
        wandb_server.be("silent")
        began = time.monotonic()
        tracked.finish(tables={"numbers": pl.DataFrame({"a": [1]})})  # wandb itself waits for ever here
        took.append(time.monotonic() - began)

    warnings = run_step(
        tmp_path, body, "online", host=wandb_server.url, timeout_seconds=3, patience_seconds=6
    )

    assert took[0] < 30
    (warning,) = warnings
    (folder,) = runs(tmp_path, "run")
    assert warning.endswith(f"wandb sync {folder}")
    import wandb

    began = time.monotonic()
    wandb.teardown()  # as at the end of the process
    assert time.monotonic() - began < 30
    assert history(folder)[:2] == [{"_step": 1, "loss": 1}, {"_step": 2, "loss": 0.5}]


def test_results_tables_plots_and_a_failure_are_recorded(tmp_path: Path) -> None:
    (tmp_path / "curve.png").write_bytes(to_png(new_figure()[0]))
    table = pl.DataFrame({"candidate": ["a", None], "macro_f1": [0.5, None]})

    def whole(tracked: Tracked) -> None:
        tracked.finish({"best": "a"}, {"leaderboard": table}, tmp_path)

    def failing(tracked: Tracked) -> None:
        tracked.log({"loss": 1.0})
        raise RuntimeError

    assert run_step(tmp_path / "store", whole, "offline") == []
    (folder,) = runs(tmp_path / "store")
    (shown,) = folder.glob("files/media/table/*.json")
    assert json.loads(shown.read_text())["data"] == [["a", 0.5], [None, None]]
    assert len(list(folder.glob("files/media/images/plots/curve*.png"))) == 1
    said = {item.key: item.value_json for one in records(folder) for item in one.summary.update}
    assert said["best"] == '"a"'

    run_step(tmp_path / "failed", failing, "offline")
    (folder,) = runs(tmp_path / "failed")
    assert [one.exit.exit_code for one in records(folder) if one.HasField("exit")] == [1]


@pytest.mark.parametrize(
    ("key", "said"),
    [("too-short", "API key must have 40"), (KEY, "user is not logged in")],
    ids=["malformed", "refused"],
)
def test_a_bad_key_is_told_with_its_reason(
    key: str,
    said: str,
    tmp_path: Path,
    wandb_server: WandbServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", key)
    wandb_server.be("unauthorized")
    run_step(tmp_path, lambda tracked: tracked.log({"loss": 1.0}), "online", host=wandb_server.url)
    (line,) = (line for line in capsys.readouterr().err.splitlines() if "is not usable" in line)
    assert said in line
    assert line.endswith("is recorded offline instead; send it later with `wandb sync`.")
    assert KEY not in line


def test_a_resumed_step_goes_on_with_its_run(tmp_path: Path, wandb_server: WandbServer) -> None:
    work = tmp_path / "work"
    work.mkdir()

    def killed(tracked: Tracked) -> None:
        tracked.log({"loss": 1.0}, 1)
        tracked.log({"loss": 0.5}, 2)
        raise RuntimeError

    def going_on(tracked: Tracked) -> None:
        tracked.resume()
        for step in (1, 2, 3):  # a training tells its whole curve again
            tracked.log({"loss": 1 / step}, step)
        tracked.finish()

    for body in (killed, going_on):
        assert run_step(tmp_path / "store", body, "online", work, host=wandb_server.url) == []
    (run,) = wandb_server.runs
    assert [untimed(row) for row in wandb_server.history(run)] == [
        {"_step": step, "loss": loss} for step, loss in ((1, 1), (2, 0.5), (3, 1 / 3))
    ]
    run_step(tmp_path / "store", killed, "online", work, host=wandb_server.url)
    assert len(wandb_server.runs) == 2


def test_offline_runs_of_a_bucket_are_in_the_bucket(gate: Gate) -> None:
    def failing(tracked: Tracked) -> None:
        tracked.log({"loss": 1.0}, 1)
        assert str(tracked.show()["wandb"].value).startswith("gs://news/prod/wandb/offline-run-")
        raise RuntimeError

    assert run_step("gs://news/prod", failing, "offline") == []
    (log,) = (
        name for name in objects(gate) if re.fullmatch(r"prod/wandb/offline-run-[^/]+/run-\w+\.wandb", name)
    )
    assert b"loss" in objects(gate)[log]


def test_without_tracking_wandb_is_never_imported(tmp_path: Path) -> None:
    code = f"""
import sys
import dagster as dg
from fakenews_resources.storage.io_manager import Storage
from fakenews_resources.tracking.resource import Tracker

@dg.asset
def step(context: dg.AssetExecutionContext, tracker: Tracker) -> None:
    tracked = tracker.start(context)
    tracked.log({{"loss": 1.0}}, 1)
    assert tracked.finish({{"best": 1}}) == {{}}

tracker = Tracker(storage=Storage(root={str(tmp_path / "store")!r}), mode="off")
assert dg.materialize([step], resources={{"tracker": tracker}}).success
print("wandb" in sys.modules)
"""
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )
    assert told.stdout.strip() == "False", told.stderr
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("environment", "mode"),
    [
        ({}, "offline"),
        ({"WANDB_API_KEY": KEY}, "online"),
        ({"WANDB_API_KEY": KEY, "WANDB_MODE": "offline"}, "offline"),
        ({"WANDB_API_KEY": KEY, "WANDB_MODE": "disabled"}, "off"),
        ({"WANDB_API_KEY": KEY, "FAKENEWS_WANDB": "off"}, "off"),
        ({"WANDB_MODE": "offline", "FAKENEWS_WANDB": "online"}, "online"),
    ],
)
def test_the_environment_decides(
    environment: dict[str, str], mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WANDB_API_KEY", "WANDB_MODE", "FAKENEWS_WANDB", "FAKENEWS_WANDB_REGISTRY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    tracker = tracker_from_environment(Storage())
    assert tracker.mode == mode
    assert tracker.registry == "wandb-registry-model/fakenews-champion"

    monkeypatch.setenv("FAKENEWS_WANDB_REGISTRY", "")
    assert tracker_from_environment(Storage()).registry is None
    monkeypatch.setenv("FAKENEWS_WANDB", "maybe")
    with pytest.raises(ValueError, match="set it to off, offline or online"):
        mode_from_environment()
