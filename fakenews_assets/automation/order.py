"""The order of the graph, as Dagster's asset graph states it: what each value is made of, and which job makes it."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

import dagster as dg

from fakenews_assets.automation.jobs import REFRESH_JOBS
from fakenews_assets.compression.partitions import SOURCES, VARIANTS
from fakenews_assets.ensembling.partitions import CASCADES, ENSEMBLES
from fakenews_assets.evaluation.partitions import CANDIDATES
from fakenews_resources.storage.inventory import Inventory
from fakenews_resources.storage.io_manager import reads_every_partition, reads_if_stored

_MODELS_OF: Final = {
    **{f"quantized_bert/{variant}": {SOURCES[source]} for variant, (source, _) in VARIANTS.items()},
    **{f"ensemble_model/{name}": {encoder, "baseline_model"} for name, encoder in ENSEMBLES.items()},
    **{f"cascade_model/{name}": {ensemble} for name, ensemble in CASCADES.items()},
    **{f"evaluation/{candidate}": {model} for candidate, model in CANDIDATES.items()},
}
"""The models that a partition is made of. The graph has an edge from every model: a partition mapping cannot leave
out an upstream asset that has no partitions."""


@dataclass(frozen=True)
class Value:
    """What is stored under one key: an asset, or one partition of it."""

    asset: str
    partition: str | None = None

    @property
    def key(self) -> str:
        """The store key."""
        return self.asset if self.partition is None else f"{self.asset}/{self.partition}"


def assets_of(job: dg.JobDefinition) -> list[dg.AssetsDefinition]:
    """The assets that a job makes, each after those that it is made of."""
    layer = job.asset_layer
    return [
        layer.get(key).assets_def
        for key in layer.asset_graph.toposorted_asset_keys
        if key in layer.executable_asset_keys
    ]


def whole_inputs(asset: dg.AssetsDefinition) -> list[str]:
    """The inputs that an asset reads with every stored partition."""
    return [name for name, declared in _inputs(asset).items() if reads_every_partition(declared)]


def optional_inputs(asset: dg.AssetsDefinition) -> list[str]:
    """The inputs that an asset reads if they are stored."""
    return [name for name, declared in _inputs(asset).items() if reads_if_stored(declared)]


class GraphOrder:
    """The assets downstream of a training, in order.

    Attributes:
        assets: every asset of the graph by name, each after those that it is made of.
        job_of: for each asset downstream of a training, the job that makes it.
    """

    def __init__(self, repository: dg.RepositoryDefinition) -> None:
        graph = repository.asset_graph
        self.assets = {key.to_user_string(): graph.get(key).assets_def for key in graph.toposorted_asset_keys}
        self.job_of = {
            key.to_user_string(): job.name for job in REFRESH_JOBS for key in job.selection.resolve(graph)
        }

    def code_of(self, name: str) -> str | None:
        """The code version of an asset."""
        asset = self.assets[name]
        return asset.code_versions_by_key[asset.key]

    def downstream_of_training(self, candidates: Collection[str] = tuple(CANDIDATES)) -> list[Value]:
        """What is made after a training, each value after those that it is made of.

        Args:
            candidates: whose models and evaluations are included.
        """
        chosen, every = _of_candidates(candidates), _of_candidates(CANDIDATES)
        values = [
            Value(name, partition)
            for name, asset in self.assets.items()
            if name in self.job_of
            for partition in (asset.partitions_def.get_partition_keys() if asset.partitions_def else [None])
        ]
        return [value for value in values if value.key in chosen or value.key not in every]

    def rest_of_job(self, asset: str) -> list[str]:
        """An asset downstream of a training, and those that its job makes after it."""
        names = [name for name in self.assets if self.job_of.get(name) == self.job_of[asset]]
        return names[names.index(asset) :]

    def inputs_of(self, value: Value, inventory: Inventory, pending: Collection[str] = ()) -> set[str]:
        """The keys that a value downstream of a training would be made of now.

        Args:
            value: the value.
            inventory: the partitions, and the inputs that are read only if they are there.
            pending: keys that count as stored.
        """
        models = _MODELS_OF.get(value.key)
        found = set(models or ())
        for name, declared in _inputs(self.assets[value.asset]).items():
            partitions = {f"{name}/{partition}" for partition in inventory.partitions(name)}
            if reads_every_partition(declared):
                found |= partitions | {key for key in pending if key.startswith(f"{name}/")}
            elif reads_if_stored(declared):
                found |= {name} if name in pending or inventory.store.exists(name) else set()
            elif declared.typing_type is not dg.Nothing:
                found.add(name)
            elif models is None:  # an edge without an argument: the asset looks for itself
                found |= partitions | ({name} if inventory.store.exists(name) else set())
        return found


def _inputs(asset: dg.AssetsDefinition) -> dict[str, dg.DagsterType]:
    """The declared type of each asset upstream; `Nothing` where the asset has no argument for it."""
    return {
        asset.keys_by_input_name[one.name].to_user_string(): one.dagster_type for one in asset.op.input_defs
    }


def _of_candidates(names: Iterable[str]) -> set[str]:
    return {key for name in names for key in (CANDIDATES[name], f"evaluation/{name}")}
