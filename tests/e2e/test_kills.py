"""Runs of the graph that are killed with kill -9, and what is left."""

import os
import signal
import time
from collections.abc import Callable, Mapping
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rich.console import Console

from fakenews_assets.cli.running import GraphRunner
from fakenews_resources.storage.store import Store
from tests.support.forked import start
from tests.support.lifecycle import QUICK_PROBES, settings
from tests.support.watched import Watched

pytestmark = pytest.mark.daemon


Job = tuple[str, str | None, Mapping[str, Any]]


def run_jobs(*jobs: Job) -> None:
    with GraphRunner(Console(quiet=True)) as runner:
        for job, partition, config in jobs:
            if job == "ingest_batch":
                assert partition
                runner.add_batch(partition)
            runner.run(job, partition, config)


def run_to(file: str, job: Job) -> None:
    """What a child process does, in a group of its own that a kill reaches as a whole: it stops at a file's name."""
    os.setsid()

    def stopping(write: Callable[..., Any]) -> Callable[..., Any]:
        def write_and_stop(table: object, path: str | Path, *arguments: Any, **named: Any) -> None:
            write(table, path, *arguments, **named)
            if Path(path).name == file:
                signal.pause()

        return write_and_stop

    pl.DataFrame.write_parquet = stopping(pl.DataFrame.write_parquet)
    pl.LazyFrame.sink_parquet = stopping(pl.LazyFrame.sink_parquet)
    run_jobs(job)


def kill_when(process: ForkServerProcess, ready: Callable[[], bool]) -> None:
    """kill -9 as soon as `ready`; fails if the process ends before."""
    until = time.monotonic() + 240
    while not ready():
        assert process.is_alive(), "it ended before it could be killed"
        assert time.monotonic() < until
        time.sleep(0.005)
    assert process.pid is not None
    os.killpg(process.pid, signal.SIGKILL)
    process.join()


def drafts(store: Store, pattern: str) -> list[Path]:
    return list((store.root / ".drafts").glob(f"*/{pattern}"))


def test_kill_9_while_cleaning_leaves_the_old_batch_and_a_rerun_finishes(project: Path) -> None:
    store = Store(project / ".fakenews")
    ingest = ("ingest_batch", "b1", {"raw_news": {"uri": "sample:rows=800"}})
    changed = ("ingest_batch", "b1", {**ingest[2], "clean_news": {"max_title_chars": 60}})
    run_jobs(ingest)
    old = store.current("clean_news/b1")

    kill_when(
        start(run_to, "articles-0000.parquet", changed), lambda: bool(drafts(store, "articles-0000.parquet"))
    )
    assert store.current("clean_news/b1") == old
    assert store.verify(old) == []

    run_jobs(
        ("ingest_batch", "b1", {**ingest[2], "clean_news": {"max_title_chars": 60, "max_reject_share": 1.0}})
    )
    new = store.current("clean_news/b1")
    assert new.version != old.version
    assert store.verify(new) == []


def test_kill_9_while_splitting_leaves_the_old_splits_and_a_rerun_finishes(project: Path) -> None:
    store = Store(project / ".fakenews")
    ingest = ("ingest_batch", "b1", {"raw_news": {"uri": "sample:rows=800"}})
    ingest_more = ("ingest_batch", "b2", {"raw_news": {"uri": "sample:rows=800,seed=9"}})
    prepare = ("prepare_corpus", None, QUICK_PROBES)
    run_jobs(ingest, prepare, ingest_more)
    old = store.current("splits")

    kill_when(start(run_to, "train.parquet", prepare), lambda: bool(drafts(store, "train.parquet")))
    assert store.current("splits") == old
    assert store.verify(old) == []

    run_jobs(prepare)
    new = store.current("splits")
    assert new.version != old.version
    assert store.verify(new) == []


def test_kill_9_while_training_leaves_the_old_model_and_training_resumes(
    watched: Watched, encoder: Path
) -> None:
    store = watched.store
    train = {"finetuned_bert": settings(encoder, epochs=5, checkpoint_every=5, patience=99)}
    job = ("train_candidates", None, train)
    old = store.current("finetuned_bert")

    work = store.root / ".work" / "finetuned_bert" / "checkpoints"
    kill_when(start(run_to, "", job), lambda: len(list(work.glob("*.ckpt"))) > 1)
    assert store.current("finetuned_bert") == old
    assert store.verify(old) == []

    run_jobs(job)
    training = store.current("finetuned_bert").read_json("training.json")
    assert training["resumed_from_step"] > 0
    assert training["steps"] == training["total_steps"]
