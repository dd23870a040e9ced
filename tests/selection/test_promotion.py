"""The decision on a challenger, and the champion as an artifact of Weights & Biases."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fakenews_assets.evaluation.metrics.agreement import Agreement
from fakenews_assets.registry.bundle import open_bundle
from fakenews_assets.selection.decision import Decision
from fakenews_assets.selection.gate import GateDecision
from fakenews_assets.selection.policy import choose
from fakenews_assets.selection.promotion import Challenge, Selection, decide_promotion, track_champion
from fakenews_assets.selection.settings import SelectionPolicy
from fakenews_assets.selection.timing import Speeds
from fakenews_resources.storage.artifact import Artifact
from fakenews_resources.storage.store import Store
from fakenews_resources.tracking.run import Tracked
from tests.support.champions import make_champion
from tests.support.wandb_runs import records, run_step, runs
from tests.support.wandb_server import WandbServer

pytestmark = pytest.mark.usefixtures("own_wandb")


def test_a_failed_check_refuses_what_the_gate_would_promote(
    tmp_path: Path, make_candidate: Callable, make_bundle: Callable, models: Path
) -> None:
    choice = choose([make_candidate("finetuned")], SelectionPolicy(resamples=200))
    selection = Selection(
        choice,
        {},
        {"old": "evaluated on other splits"},
        Artifact(tmp_path),
        Speeds({"finetuned": [0.1]}, 128),
        None,
    )
    bundle, champion = open_bundle(models / make_bundle("weights")), "a" * 64
    gate = GateDecision(promote=True, reasons=("better", "as fast"))
    challenge = Challenge(bundle, champion, Agreement(200, 0.0, 1e-4, ""), None, gate)

    promoted = decide_promotion(selection, challenge)
    assert (promoted.promoted, promoted.champion, promoted.replaced) == (True, bundle.sha, champion)
    assert promoted.reason == "better; as fast"
    refused = decide_promotion(selection, challenge, ["bundle_is_complete"])
    assert (refused.promoted, refused.champion, refused.replaced) == (False, champion, None)
    assert refused.reason == "check bundle_is_complete failed; better; as fast"
    refused.write(tmp_path)
    assert Decision.read(tmp_path) == refused


def test_a_champion_becomes_an_artifact_that_the_registry_knows(
    tmp_path: Path, wandb_server: WandbServer
) -> None:
    store = Store(tmp_path / "store")
    bundle = open_bundle(store.bundles.root / make_champion(store.bundles.root))

    def body(tracked: Tracked) -> None:
        track_champion(tracked, bundle)
        tracked.finish()

    assert run_step(store.root, body, "offline") == []
    (folder,) = runs(store.root)
    deadline = time.monotonic() + 60  # another process writes the records
    while not (logged := [one.artifact for one in records(folder) if one.HasField("artifact")]):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    (found,) = logged
    assert (found.name, found.type) == ("fakenews-champion", "model")
    assert set(found.aliases) == {"champion", bundle.sha[:12], "latest"}
    assert json.loads(found.metadata)["bundle"] == bundle.sha
    files = {
        path.relative_to(bundle.path).as_posix(): path for path in bundle.path.rglob("*") if path.is_file()
    }
    assert {one.path: Path(one.local_path) for one in found.manifest.contents} == files

    assert run_step(store.root, body, "online", host=wandb_server.url) == []
    (created,) = wandb_server.artifacts
    assert {one["alias"] for one in created["aliases"]} == {"champion", bundle.sha[:12], "latest"}
    assert {name: wandb_server.files[name] for name in files} == {
        n: file.read_bytes() for n, file in files.items()
    }
    (link,) = wandb_server.links
    assert (link["projectName"], link["artifactPortfolioName"]) == (
        "wandb-registry-model",
        "fakenews-champion",
    )
    assert {one["alias"] for one in link["aliases"]} == {"champion", bundle.sha[:12]}
