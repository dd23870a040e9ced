"""The IO manager inside real runs: partitions, provenance, missing values, drafts."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from fakenews_resources.storage import ArtefactIOManager, Storage
from fakenews_resources.store import Artefact, Store

batches = dg.DynamicPartitionsDefinition(name="test_batches")
Made = dg.MaterializeResult[Artefact]


class RawConfig(dg.Config):
    content: str = "x"


def filled(storage: Storage, content: str) -> Artefact:
    draft = storage.draft()
    (draft.path / "value").write_text(content)
    return draft


@dg.asset(partitions_def=batches, code_version="7")
def raw(context: dg.AssetExecutionContext, config: RawConfig, storage: Storage) -> Made:
    return dg.MaterializeResult(value=filled(storage, context.partition_key + config.content))


@dg.asset(partitions_def=batches)
def clean(storage: Storage, raw: Artefact) -> Made:
    return dg.MaterializeResult(value=filled(storage, (raw.path / "value").read_text().upper()))


@dg.asset
def corpus(storage: Storage, clean: dict[str, Artefact]) -> Made:
    return dg.MaterializeResult(value=filled(storage, ",".join(sorted(clean))))


@dg.asset(deps=[corpus, "raw"])
def picky(context: dg.AssetExecutionContext, storage: Storage) -> Made:
    return dg.MaterializeResult(
        value=filled(storage, (storage.read(context, "corpus").path / "value").read_text())
    )


@dg.asset
def failing(storage: Storage, corpus: Artefact) -> Made:
    filled(storage, f"half of {corpus.version}")
    raise ValueError("on the way")


class Graph:
    """The assets above on one instance and one store."""

    def __init__(self, address: str) -> None:
        self.store = Store(address)
        self.instance = dg.DagsterInstance.ephemeral()
        self.instance.add_dynamic_partitions("test_batches", ["b1", "b2"])

    def run(
        self, *assets: Any, partition: str | None = None, config: Any = None
    ) -> dg.ExecuteInProcessResult:
        storage = Storage(root=self.store.address)
        return dg.materialize(
            [raw, clean, corpus, picky, failing],
            selection=list(assets),
            partition_key=partition,
            instance=self.instance,
            resources={"storage": storage, "io_manager": ArtefactIOManager(storage=storage)},
            run_config=config,
            raise_on_error=False,
        )

    def text(self, key: str) -> str:
        return (self.store.current(key).path / "value").read_text()


@pytest.fixture
def graph(address: str) -> Graph:
    return Graph(address)


def test_values_pass_by_partition_and_all_partitions_meet(graph: Graph) -> None:
    assert graph.run(raw, clean, partition="b1").success
    assert graph.run(raw, clean, corpus, partition="b2").success
    assert graph.text("clean/b1") == "B1X"
    assert graph.text("corpus") == "b1,b2"


def test_a_record_names_run_code_configuration_and_inputs(graph: Graph) -> None:
    result = graph.run(raw, clean, partition="b1", config={"ops": {"raw": {"config": {"content": "y"}}}})
    made, derived = graph.store.current("raw/b1"), graph.store.current("clean/b1")
    assert made.record is not None
    assert derived.record is not None
    assert made.record.run_id == result.run_id
    assert made.record.code_version == "7"
    assert made.record.config == {"content": "y"}
    assert derived.record.upstream == {"raw/b1": made.version}
    metadata = result.asset_materializations_for_node("clean")[0].metadata
    assert metadata["version"].value == derived.version


def test_a_partition_without_a_value_is_left_out_of_the_whole(graph: Graph) -> None:
    graph.run(raw, clean, partition="b1")
    assert graph.run(corpus).success
    assert graph.text("corpus") == "b1"


def test_a_missing_input_fails_and_names_the_remedy(graph: Graph) -> None:
    result = graph.run(clean, partition="b1")
    assert not result.success
    failure = result.failure_data_for_node("clean")
    assert failure is not None
    assert "Materialize it first" in str(failure.error)


def test_only_what_was_read_is_recorded(graph: Graph) -> None:
    graph.run(raw, clean, corpus, partition="b1")
    assert graph.run(picky).success
    record = graph.store.current("picky").record
    assert record is not None
    assert record.upstream == {"corpus": graph.store.current("corpus").version}


def test_a_failed_step_leaves_no_value_no_draft_and_no_reads_behind(graph: Graph) -> None:
    graph.run(raw, clean, corpus, partition="b1")
    assert not graph.run(failing).success
    assert not graph.store.exists("failing")
    assert list((graph.store.root / ".drafts").iterdir()) == []
    assert graph.run(picky).success


def test_an_asset_must_return_an_artefact(tmp_path: Path) -> None:
    @dg.asset
    def wrong() -> int:
        return 3

    storage = Storage(root=str(tmp_path))
    resources = {"storage": storage, "io_manager": ArtefactIOManager(storage=storage)}
    with pytest.raises(dg.DagsterInvariantViolationError, match="wrong returned int"):
        dg.materialize([wrong], resources=resources)
