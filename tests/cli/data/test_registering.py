"""A store that a new Dagster instance gets to know."""

from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver
from dagster._core.loader import LoadingContextForTest
from typer.testing import CliRunner

from fakenews_assets.cli import app
from fakenews_assets.data.partitions import corpus_batches, note_on_unregistered
from fakenews_assets.definitions import defs
from tests.support.graphs import Graph

pytestmark = pytest.mark.runs


@pytest.fixture
def graph(project: Path) -> Graph:
    """A full store beside an empty instance: two batches, and splits of both."""
    graph = Graph(project / ".fakenews")
    for batch in ("b1", "b2"):
        graph.make(f"raw_news/{batch}")
        graph.receive(batch, real=3, fake=3)
    graph.train()
    return graph


def register(*batches: str) -> str:
    result = CliRunner().invoke(app, ["register", *batches])
    assert result.exit_code == 0, result.output
    return result.output


def test_every_stored_batch_is_registered_and_shown(graph: Graph) -> None:
    with dg.DagsterInstance.get() as instance:
        assert corpus_batches(graph.store, instance) == set()
    said = register()
    assert "Registered 2 batches" in said
    assert "8 stored values" in said
    with dg.DagsterInstance.get() as instance:
        assert corpus_batches(graph.store, instance) == {"b1", "b2"}
        assert note_on_unregistered(graph.store, instance) is None
        event = instance.get_latest_materialization_event(dg.AssetKey("splits"))
        assert event is not None
        assert event.asset_materialization is not None
        assert {"path", "size_bytes"} < event.asset_materialization.metadata.keys()
        tags = event.asset_materialization.tags or {}
        assert tags["dagster/data_version"] == graph.store.current("splits").version
        assert instance.get_materialized_partitions(dg.AssetKey("clean_news")) == {"b1", "b2"}
        instance.wipe_assets([dg.AssetKey("clean_news")])
    assert "Dagster now shows 2 stored values" in register(), "only what was wiped"
    assert "Dagster now shows 0 stored values" in register(), "nothing is told twice"


def test_the_ui_marks_what_is_stale_in_the_store_and_nothing_else(graph: Graph) -> None:
    graph.make("raw_news/b1", content="again")
    graph.make("clean_news/b1", "raw_news/b1", content="again")
    register()
    names = {"raw_news": "b1", "clean_news": "b1", "splits": None, "baseline_model": None}
    assets = defs.resolve_asset_graph()
    with dg.DagsterInstance.get() as instance:
        resolver = CachingStaleStatusResolver(instance, assets, LoadingContextForTest(instance))
        marks = {name: resolver.get_status(dg.AssetKey(name), batch).value for name, batch in names.items()}
    assert marks == {"raw_news": "FRESH", "clean_news": "FRESH", "splits": "STALE", "baseline_model": "FRESH"}


def test_one_batch_can_be_registered_alone(graph: Graph) -> None:
    register("b2")
    with dg.DagsterInstance.get() as instance:
        assert corpus_batches(graph.store, instance) == {"b2"}
        assert "b1" in (note_on_unregistered(graph.store, instance) or "")


def test_what_is_not_stored_cannot_be_registered(graph: Graph) -> None:
    result = CliRunner().invoke(app, ["register", "b1", "b9"])
    assert result.exit_code == 1
    assert "No batch of this name is stored: b9." in result.output
    with dg.DagsterInstance.get() as instance:
        assert corpus_batches(graph.store, instance) == set()
