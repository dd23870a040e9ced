"""The IO manager inside real runs: partitions, provenance, missing values, drafts."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from fakenews_resources.storage.artifact import Artifact
from fakenews_resources.storage.backend import Backend, Document
from fakenews_resources.storage.io_manager import ArtifactIOManager, Storage, checked
from fakenews_resources.storage.store import Store, StoreError
from tests.support.drafts import filled

batches = dg.DynamicPartitionsDefinition(name="test_batches")
Made = dg.MaterializeResult[Artifact]


class RawConfig(dg.Config):
    content: str = "x"


@dg.asset(partitions_def=batches, code_version="7")
def raw(context: dg.AssetExecutionContext, config: RawConfig, storage: Storage) -> Made:
    return dg.MaterializeResult(value=filled(storage, context.partition_key + config.content))


@dg.asset(partitions_def=batches)
def clean(storage: Storage, raw: Artifact) -> Made:
    return dg.MaterializeResult(value=filled(storage, (raw.path / "value").read_text().upper()))


@dg.asset
def corpus(storage: Storage, clean: dict[str, Artifact]) -> Made:
    return dg.MaterializeResult(value=filled(storage, ",".join(sorted(clean))))


@dg.asset(deps=[corpus, "raw"])
def picky(context: dg.AssetExecutionContext, storage: Storage) -> Made:
    return dg.MaterializeResult(
        value=filled(storage, (storage.read(context, "corpus").path / "value").read_text())
    )


class SealedConfig(dg.Config):
    content: str
    good: bool = True
    asked: bool = True


@dg.asset(
    check_specs=[
        dg.AssetCheckSpec("holds", asset="sealed", blocking=True),
        dg.AssetCheckSpec("pleases", asset="sealed"),
    ]
)
def sealed(config: SealedConfig, storage: Storage) -> Iterator[Made]:
    results = [
        dg.AssetCheckResult(check_name="holds", passed=config.good, description="it is broken"),
        dg.AssetCheckResult(check_name="pleases", passed=False, severity=dg.AssetCheckSeverity.WARN),
    ]
    draft = filled(storage, config.content)
    yield checked(draft, results) if config.asked else Made(value=draft, check_results=results)


@dg.asset
def reader(storage: Storage, sealed: Artifact) -> Made:
    return dg.MaterializeResult(value=filled(storage, (sealed.path / "value").read_text()))


@dg.asset
def modest(storage: Storage, corpus: Artifact | None) -> Made:
    return dg.MaterializeResult(value=filled(storage, "without" if corpus is None else "with"))


@dg.asset
def failing(storage: Storage, corpus: Artifact) -> Made:
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
            [raw, clean, corpus, picky, sealed, reader, modest, failing],
            selection=list(assets),
            partition_key=partition,
            instance=self.instance,
            resources={"storage": storage, "io_manager": ArtifactIOManager(storage=storage)},
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


def test_an_input_that_may_be_missing_is_read_once_it_is_stored(graph: Graph) -> None:
    assert graph.run(modest).success
    assert graph.text("modest") == "without"
    assert graph.store.current("modest").record.upstream == {}  # pyright: ignore[reportOptionalMemberAccess]
    assert graph.run(raw, clean, corpus, modest, partition="b1").success
    assert graph.text("modest") == "with"


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


def test_a_deleted_partition_is_left_out_of_the_whole(graph: Graph) -> None:
    for name in ("b1", "b2"):
        graph.run(raw, clean, partition=name)
    graph.instance.delete_dynamic_partition("test_batches", "b2")
    assert graph.run(corpus).success
    assert graph.text("corpus") == "b1"
    assert graph.store.partitions("clean") == {"b1", "b2"}


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


def sealed_with(content: str, **settings: bool) -> dict[str, Any]:
    return {"ops": {"sealed": {"config": {"content": content, **settings}}}}


def test_what_a_blocking_check_refuses_is_never_read_however_often_it_is_made(graph: Graph) -> None:
    assert graph.run(sealed, config=sealed_with("sound")).success
    for _ in range(2):
        assert not graph.run(sealed, reader, config=sealed_with("broken", good=False)).success
        assert not graph.store.exists("reader")
    assert graph.run(reader).success
    assert graph.text("reader") == "sound"
    refused = graph.store.refused("sealed")
    assert refused is not None
    assert refused.record is not None
    assert refused.record.refused == {"holds": "it is broken"}


def test_what_was_refused_first_is_missing_and_says_why(graph: Graph) -> None:
    graph.run(sealed, config=sealed_with("broken", good=False))
    failure = graph.run(reader).failure_data_for_node("reader")
    assert failure is not None
    assert "holds: it is broken" in str(failure.error)


def test_an_asset_that_skips_its_blocking_checks_stores_nothing(graph: Graph) -> None:
    result = graph.run(sealed, config=sealed_with("unasked", asked=False))
    assert not result.success
    assert graph.store.all_keys() == []


def data_version(graph: Graph, asset: str) -> str | None:
    event = graph.instance.get_latest_materialization_event(dg.AssetKey(asset))
    assert event is not None
    assert event.asset_materialization is not None
    return (event.asset_materialization.tags or {}).get("dagster/data_version")


def test_dagster_is_told_the_version_that_readers_get(graph: Graph) -> None:
    graph.run(sealed, reader, config=sealed_with("sound"))
    sound = graph.store.current("sealed").version
    assert data_version(graph, "sealed") == sound
    graph.run(sealed, config=sealed_with("broken", good=False))
    assert data_version(graph, "sealed") == sound
    graph.run(sealed, config=sealed_with("sounder"))
    assert data_version(graph, "sealed") == graph.store.current("sealed").version != sound


def test_dagster_links_the_plots_and_pages_of_a_version(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    @dg.asset
    def drawn(context: dg.AssetExecutionContext, storage: Storage) -> Made:
        context.add_asset_metadata({"score": 1})
        draft = filled(storage, "a table")
        (draft.path / "by label.png").write_bytes(b"a plot")
        return dg.MaterializeResult(value=draft)

    monkeypatch.setenv("FAKENEWS_MONITOR_URL", "https://monitor.example/")
    storage = Storage(root=graph.store.address)
    resources = {"storage": storage, "io_manager": ArtifactIOManager(storage=storage)}
    result = dg.materialize([drawn], resources=resources, instance=graph.instance)
    metadata = result.asset_materializations_for_node("drawn")[0].metadata
    version = graph.store.current("drawn").version
    assert metadata["by label.png"].value == f"https://monitor.example/stored/drawn/{version}/by%20label.png"
    assert list(metadata) == ["score", "version", "path", "by label.png", "size_bytes"], (
        "the asset's own come first"
    )


@pytest.mark.parametrize("name", [".hidden", "..", "a/b", "2026/11", "x" * 300])
def test_an_unusable_partition_stops_nothing_but_itself(graph: Graph, name: str) -> None:
    graph.instance.add_dynamic_partitions("test_batches", [name])
    result = graph.run(raw, partition=name)
    assert not result.success
    assert "partition name" in str(result.failure_data_for_node("raw").error)  # pyright: ignore[reportOptionalMemberAccess]
    failure = graph.run(clean, partition=name).failure_data_for_node("clean")
    assert failure is not None
    assert failure.user_failure_data is not None
    assert "add one with another name" in (failure.user_failure_data.description or "")
    assert graph.run(raw, clean, corpus, partition="b1").success
    assert graph.text("corpus") == "b1"
    assert graph.store.all_keys() == ["clean/b1", "corpus", "raw/b1"]


def test_a_store_that_cannot_be_read_leaves_no_partition_out(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph.run(raw, clean, partition="b1")
    graph.run(raw, clean, partition="b2")
    kind = type(graph.store.backend)
    read = kind.read

    def unreachable(backend: Backend, name: str) -> Document | None:
        if name.startswith("clean/b2"):
            raise StoreError("The bucket does not answer.")
        return read(backend, name)

    monkeypatch.setattr(kind, "read", unreachable)
    assert not graph.run(corpus).success
    monkeypatch.undo()
    assert not graph.store.exists("corpus")


def test_an_asset_must_return_an_artifact(tmp_path: Path) -> None:
    @dg.asset
    def wrong() -> int:
        return 3

    storage = Storage(root=str(tmp_path))
    resources = {"storage": storage, "io_manager": ArtifactIOManager(storage=storage)}
    with pytest.raises(dg.DagsterInvariantViolationError, match="wrong returned int"):
        dg.materialize([wrong], resources=resources)
