"""Generalization and leaderboard as assets, in real runs."""

import shutil
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest
from rich.console import Console

from fakenews_assets.cli.running import GraphRunner
from fakenews_assets.common.config import ImpossibleSettings
from fakenews_assets.evaluation.reports.leaderboard import compare_candidates
from fakenews_resources.storage.artifact import Artifact
from tests.support.watched import Watched


def test_the_leaderboard_shows_what_was_measured_on_its_splits(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(watched.root)
    with GraphRunner(Console(quiet=True)) as runner:
        runner.run("measure_generalization", None, {}, {"generalization"})
        runner.run("compare_candidates", None, {}, {"leaderboard"})
    measured = watched.store.current("generalization")
    assert measured.record is not None
    assert set(measured.record.upstream) == {"splits", "baseline_model"}
    table = watched.store.current("leaderboard").scan("leaderboard").collect()
    row = next(row for row in table.iter_rows(named=True) if row["candidate"] == "baseline")
    assert row["seeds"] == 1
    assert row["seed_mean"] == pytest.approx(row["macro_f1"], abs=0.05)
    text = (watched.store.current("leaderboard").path / "leaderboard.md").read_text()
    assert "(`generalization`)" in text

    # Spreads of another baseline than the one that was judged.
    draft = watched.store.draft()
    shutil.copytree(measured.path, draft.path, dirs_exist_ok=True)
    other = {**measured.record.upstream, "baseline_model": "0" * 32}
    watched.store.commit("generalization", draft, upstream=other)
    with GraphRunner(Console(quiet=True)) as runner:
        runner.run("compare_candidates", None, {}, {"leaderboard"})
    text = (watched.store.current("leaderboard").path / "leaderboard.md").read_text()
    assert "(`generalization`)" not in text


def test_the_leaderboard_marks_the_champion_and_no_later_training_of_it(watched: Watched) -> None:
    store = watched.store
    evaluations = {name: store.current(f"evaluation/{name}") for name in ("baseline", "finetuned")}

    def marked(champion: Artifact) -> list[str]:
        board = compare_candidates(store, store.current("splits"), evaluations, champion=champion)
        return board.filter("is_champion")["candidate"].to_list()

    champion = store.current("champion")
    assert marked(champion) == [champion.meta["candidate"]]
    assert marked(replace(champion, meta={**champion.meta, "model": "0" * 32})) == []


@pytest.mark.usefixtures("watched")
def test_no_event_carries_more_than_one_small_plot() -> None:
    with dg.DagsterInstance.get() as instance:
        sizes = {
            (entry.step_key, entry.dagster_event_type): len(dg.serialize_value(entry))
            for run in instance.get_runs()
            for entry in instance.all_logs(run.run_id)
        }
    largest = max(sizes, key=sizes.__getitem__)
    assert largest[0] in ("evaluation", "selected_model"), sizes
    assert sizes[largest] < 60_000


def test_an_unknown_division_is_refused(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(watched.root)
    config = {"generalization": {"protocols": ["by_mood"]}}
    with (
        GraphRunner(Console(quiet=True)) as runner,
        pytest.raises(ImpossibleSettings, match="source_disjoint"),
    ):
        runner.run("measure_generalization", None, config, {"generalization"})
    assert not (Path(watched.store.root) / "generalization" / "CURRENT").exists()
