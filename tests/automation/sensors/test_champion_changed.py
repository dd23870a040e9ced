"""A new champion gets its bento, once."""

from pathlib import Path

import dagster as dg
import pytest

from fakenews_assets.automation.sensors.refresh import champion_changed
from fakenews_assets.registry.champion import ChampionRegistry
from tests.support.champions import make_champion
from tests.support.graphs import Graph

DONE = dg.DagsterRunStatus.SUCCESS


@pytest.fixture
def graph(tmp_path: Path) -> Graph:
    return Graph(tmp_path)


def build(graph: Graph, champion: str) -> None:
    """What an asked-for run leaves behind."""
    graph.launch("build_bento", graph.asked(champion_changed), DONE)
    graph.make("fakenews_bento", content=champion, meta={"model_id": champion})


def test_there_has_to_be_a_champion(graph: Graph) -> None:
    assert graph.tick(champion_changed) == "There is no champion yet."


def test_every_champion_is_built_once(graph: Graph) -> None:
    for seed in range(2):
        champion = make_champion(graph.store.bundles.root, seed=seed)
        build(graph, champion)
        assert graph.tick(champion_changed) == f"The bento holds the champion, {champion[:12]}."


def test_one_that_comes_back_is_built_again(graph: Graph) -> None:
    first = make_champion(graph.store.bundles.root)
    build(graph, first)
    build(graph, make_champion(graph.store.bundles.root, seed=1))
    ChampionRegistry(graph.store.bundles.root).rollback(reason="test", run_id=None, promoted_by="test")
    build(graph, first)
    assert graph.tick(champion_changed) == f"The bento holds the champion, {first[:12]}."


def test_a_build_that_failed_waits_for_a_person(graph: Graph) -> None:
    first = make_champion(graph.store.bundles.root)
    run = graph.launch("build_bento", graph.asked(champion_changed))
    assert graph.tick(champion_changed) == f"Run {run.run_id[:8]} builds the bento of {first[:12]}."
    graph.instance.report_run_failed(run)
    assert graph.tick(champion_changed) == (f"Already tried to build the bento of {first[:12]}; see its run.")
    build(graph, make_champion(graph.store.bundles.root, seed=1))
