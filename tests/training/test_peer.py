"""Two nodes on one bucket: one leads, the other joins."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
import yaml

from fakenews_assets.data.splits.splitting import training_rows
from fakenews_assets.training.finetuning.finetuning import finetune
from fakenews_assets.training.finetuning.result import read_result
from fakenews_assets.training.peer import join
from fakenews_assets.training.settings import FinetunedBertSettings
from fakenews_resources.processes import free_port
from fakenews_resources.storage.io_manager import storage_from_environment
from fakenews_resources.storage.store import Store
from tests.support.buckets import served_bucket
from tests.support.forked import start, wait
from tests.support.models import separable_articles

REPOSITORY = Path(__file__).parents[2]


def lead(run: Path, model: Path) -> None:
    """What the leader's process does, as the asset does it."""
    store = storage_from_environment().store
    config = yaml.safe_load(run.read_text())["ops"]["finetuned_bert"]["config"]
    train, val = training_rows(store.current("splits"))
    settings = FinetunedBertSettings.model_validate(config).training()
    finetune(train, val, settings, model, store.workspace("finetuned_bert"))


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """Empty, in a bucket."""
    monkeypatch.setenv("FAKENEWS_CACHE", str(tmp_path / "cache"))
    with served_bucket(monkeypatch):
        yield Store("gs://news/store")


@pytest.mark.server
def test_a_peer_trains_along_and_leaves_the_model_to_the_leader(
    store: Store, tiny_bert: Path, tmp_path: Path
) -> None:
    """Each node with a cache of its own, hence a folder of its own for unfinished work, as a pod has them."""
    draft = store.draft()
    for split, seed in (("train", 1), ("val", 2)):
        rows = separable_articles(96, seed=seed).with_columns(
            source=pl.lit(None, pl.String), batch=pl.lit("b1")
        )
        rows.write_parquet(draft.path / f"{split}.parquet")
    store.commit("splits", draft, run_id="r", code_version="1", config=None, upstream={})
    config = {
        "encoder": {"name": str(tiny_bert), "max_tokens": 64},
        "max_tokens": 32,
        "batch_size": 8,
        "epochs": 1,
        "precision": "fp32",
        "accelerator": "cpu",
        "strategy": "ddp",
        "num_nodes": 2,
    }
    run = tmp_path / "run.yaml"
    run.write_text(yaml.safe_dump({"ops": {"finetuned_bert": {"config": config}}}))
    port = free_port()

    def environment(rank: int) -> dict[str, str]:
        return {
            "FAKENEWS_STORAGE": "gs://news/store",
            "FAKENEWS_CACHE": str(tmp_path / f"node-{rank}"),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            "NODE_RANK": str(rank),
        }

    leader = start(lead, run, tmp_path / "model", environment=environment(0))
    command = [sys.executable, "-m", "fakenews_assets.training.peer", str(run)]
    peer = subprocess.Popen(command, cwd=REPOSITORY, env=os.environ | environment(1))

    assert (wait(leader), peer.wait()) == (0, 0)
    assert read_result(tmp_path / "model").steps == 96 / (2 * 8)
    assert not list(tmp_path.glob("node-*/**/checkpoints"))


@pytest.mark.parametrize(
    ("changes", "message"), [({}, "no training to join"), ({"num_nodes": 2, "use_search": True}, "write the")]
)
def test_a_peer_needs_to_know_what_it_joins(changes: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        join(FinetunedBertSettings.model_validate(changes), Store(tmp_path))
