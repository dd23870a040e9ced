"""The marks of the UI and the store's own rule say the same."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver
from dagster._core.loader import LoadingContextForTest

from fakenews_assets.automation.staleness import is_stale
from fakenews_resources.storage.artifact import Artifact
from fakenews_resources.storage.inventory import Inventory
from fakenews_resources.storage.io_manager import ArtifactIOManager, Storage, checked, key_of
from fakenews_resources.storage.store import Store
from tests.support.drafts import filled

pytestmark = pytest.mark.runs

Made = dg.MaterializeResult[Artifact]
batches = dg.DynamicPartitionsDefinition(name="batches")


class Content(dg.Config):
    content: str = "x"
    good: bool = True


@dg.asset(partitions_def=batches, code_version="1")
def raw(context: dg.AssetExecutionContext, config: Content, storage: Storage) -> Made:
    return Made(value=filled(storage, context.partition_key + config.content))


@dg.asset(partitions_def=batches, code_version="1")
def clean(storage: Storage, raw: Artifact) -> Made:
    return Made(value=filled(storage, (raw.path / "value").read_text()[:3]))


@dg.asset(code_version="1")
def corpus(storage: Storage, clean: dict[str, Artifact]) -> Made:
    return Made(value=filled(storage, ",".join(f"{name} {batch.version}" for name, batch in clean.items())))


@dg.asset(
    code_version="1", check_specs=[dg.AssetCheckSpec("holds", asset="model", blocking=True)], deps=[corpus]
)
def model(context: dg.AssetExecutionContext, config: Content, storage: Storage) -> Iterator[Made]:
    storage.read(context, "corpus")
    check = dg.AssetCheckResult(check_name="holds", passed=config.good)
    yield checked(filled(storage, config.content), [check])


@dg.asset(code_version="1")
def report(storage: Storage, model: Artifact) -> Made:
    return Made(value=filled(storage, model.version))


ASSETS: Final = (raw, clean, corpus, model, report)


class World:
    """The graph above on one instance and one store, with two batches."""

    def __init__(self, root: Path) -> None:
        self.store = Store(root)
        self.instance = dg.DagsterInstance.ephemeral()
        self.load("1")
        for batch in ("b1", "b2"):
            self.add(batch)
            self.make(raw, clean, partition=batch)
        self.make(corpus, model, report)

    def load(self, code_version: str) -> None:
        """Load the graph; `corpus` has the code version."""
        changed = corpus.map_asset_specs(lambda spec: spec.replace_attributes(code_version=code_version))
        storage = Storage(root=self.store.address)
        self.defs = dg.Definitions(
            [changed if one is corpus else one for one in ASSETS],
            resources={"storage": storage, "io_manager": ArtifactIOManager(storage=storage)},
        )

    def add(self, batch: str) -> None:
        self.instance.add_dynamic_partitions("batches", [batch])

    def make(self, *assets: dg.AssetsDefinition, partition: str | None = None, **content: Any) -> None:
        configured = {one.op.name: {"config": content} for one in assets if one in (raw, model)}
        self.defs.resolve_implicit_global_asset_job_def().execute_in_process(
            asset_selection=[one.key for one in assets],
            instance=self.instance,
            partition_key=partition,
            run_config={"ops": configured},
            raise_on_error=False,
        )

    def marks(self) -> dict[str, str]:
        """What the UI says of each value that is not up to date."""
        resolver = CachingStaleStatusResolver(
            self.instance, self.defs.resolve_asset_graph(), LoadingContextForTest(self.instance)
        )
        found = {
            key_of(asset.key, partition): resolver.get_status(asset.key, partition).value
            for asset, partition in self._values()
        }
        return {key: mark for key, mark in found.items() if mark != "FRESH"}

    def stored(self) -> dict[str, str]:
        """What the store says of each value that is not up to date."""
        repository = self.defs.get_repository_def()
        inventory = Inventory(self.store, repository, self.instance)
        found = {}
        for asset, partition in self._values():
            key = key_of(asset.key, partition)
            if not self.store.exists(key):
                found[key] = "MISSING"
                continue
            record = self.store.current(key).record
            assert record is not None
            if is_stale(repository.asset_graph.get(asset.key).assets_def, inventory, record):
                found[key] = "STALE"
        return found

    def _values(self) -> Iterator[tuple[dg.AssetsDefinition, str | None]]:
        for asset in ASSETS:
            registered = batches.get_partition_keys(dynamic_partitions_store=self.instance)
            yield from ((asset, one) for one in (registered if asset.partitions_def else [None]))


def other_bytes(world: World) -> None:
    world.make(raw, partition="b1", content="y")


def other_bytes_that_come_to_the_same(world: World) -> None:
    world.make(raw, partition="b1", content="xy")
    world.make(clean, partition="b1")


def another_configuration(world: World) -> None:
    world.make(model, content="y")


def refused(world: World) -> None:
    world.make(model, content="broken", good=False)


def a_registered_batch(world: World) -> None:
    world.add("b3")


def a_new_batch(world: World) -> None:
    world.add("b3")
    world.make(raw, clean, partition="b3")


def another_version_of_a_batch(world: World) -> None:
    world.make(raw, clean, partition="b2", content="y")


def two_levels_up(world: World) -> None:
    world.make(raw, clean, partition="b2", content="y")
    world.make(corpus)


def remade(world: World) -> None:
    world.make(model, content="y")
    world.make(report)


def other_code(world: World) -> None:
    world.load("2")


NEW_BATCH: Final = {"raw/b3": "MISSING", "clean/b3": "MISSING"}
SITUATIONS: Final[list[tuple[Callable[[World], None], dict[str, str]]]] = [
    (other_bytes, {"clean/b1": "STALE"}),
    (other_bytes_that_come_to_the_same, {}),
    (another_configuration, {"report": "STALE"}),
    (refused, {}),
    (a_registered_batch, NEW_BATCH),
    (a_new_batch, {"corpus": "STALE"}),
    (another_version_of_a_batch, {"corpus": "STALE"}),
    (two_levels_up, {"model": "STALE"}),
    (remade, {}),
    (other_code, {"corpus": "STALE"}),
]


@pytest.mark.parametrize(("change", "expected"), SITUATIONS, ids=[one.__name__ for one, _ in SITUATIONS])
def test_the_marks_of_the_ui_agree_with_the_store(
    tmp_path: Path, change: Callable[[World], None], expected: dict[str, str]
) -> None:
    world = World(tmp_path)
    assert world.marks() == world.stored() == {}
    change(world)
    assert (world.marks(), world.stored()) == (expected, expected)
