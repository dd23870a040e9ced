"""What has to be made anew after a training, and in which order."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg

from fakenews_assets.automation.staleness import follows_no_more
from fakenews_assets.compression.partitions import SOURCES, VARIANTS
from fakenews_assets.compression.settings import STUDENTS
from fakenews_assets.evaluation.partitions import CANDIDATES
from fakenews_resources.storage.store import Record, Store


@dataclass(frozen=True)
class Outdated:
    """A value that no longer follows from its inputs, or was never made of them."""

    asset: str
    partition: str | None
    config: Mapping[str, Any]
    """As it was made with before; empty for the defaults."""
    made_of: tuple[str, ...]
    """Key and version of each input that it would be made of now, and the asset's code version."""

    @property
    def key(self) -> str:
        """The store key."""
        return self.asset if self.partition is None else f"{self.asset}/{self.partition}"


def outdated_values(assets: Mapping[str, dg.AssetsDefinition], store: Store) -> list[Outdated]:
    """Everything after training that has to be made anew and whose inputs are all up to date, in order.

    A variant counts only if it was made before. An evaluation counts once its model is there, leaderboard and
    selection once there is an evaluation.

    Args:
        assets: the definitions of the graph, by name.
        store: where their values lie.
    """
    return list(_Follower(assets, store).walk())


class _Follower:
    def __init__(self, assets: Mapping[str, dg.AssetsDefinition], store: Store) -> None:
        self.assets = assets
        self.store = store
        self.stale: set[str] = set()

    def walk(self) -> Iterator[Outdated]:
        # The splits count as they are: batches come all the time, and those after a training are the next one's.
        for key in ("baseline_model", "finetuned_bert"):
            # Not for this sensor to make: what is built on an old one waits.
            record = self._record(key)
            if record is None or self._has_changed(key, record):
                self.stale.add(key)
        yield from self._one("pruned_bert", None, [SOURCES["pruned"]], inputs=["finetuned_bert"])
        for student in STUDENTS:
            yield from self._one("distilled_bert", student, [f"distilled_bert/{student}"], ["finetuned_bert"])
        for variant, (source, _) in VARIANTS.items():
            yield from self._one("quantized_bert", variant, [f"quantized_bert/{variant}"], [SOURCES[source]])
        for candidate, model in CANDIDATES.items():
            yield from self._one("evaluation", candidate, [model], [model])
        judged = [f"evaluation/{name}" for name in self.store.partitions("evaluation")]
        judged += [key for key in self.stale if key.startswith("evaluation/")]
        measured = ["generalization"] if self.store.exists("generalization") else []
        yield from self._one("leaderboard", None, judged, [*judged, *measured])
        yield from self._one("selected_model", None, judged, judged)

    def _one(
        self, asset: str, partition: str | None, wanted_if_any: list[str], inputs: list[str]
    ) -> Iterator[Outdated]:
        """One value: yield it if it is stale and can be made; remember that it is stale."""
        key = asset if partition is None else f"{asset}/{partition}"
        if not any(self.store.exists(name) for name in wanted_if_any):
            return
        inputs = ["splits", *inputs]
        record = self._record(key)
        blocked = not self.stale.isdisjoint(inputs)
        if record is not None and not blocked and not self._has_changed(asset, record):
            return
        self.stale.add(key)
        if blocked:
            return
        versions = [f"{name} {self.store.current(name).version}" for name in sorted(inputs)]
        code = self.assets[asset].code_versions_by_key[dg.AssetKey(asset)]
        yield Outdated(asset, partition, record.config if record else {}, (*versions, f"code {code}"))

    def _has_changed(self, asset: str, record: Record) -> bool:
        return follows_no_more(self.assets[asset], self.store, record)

    def _record(self, key: str) -> Record | None:
        return self.store.current(key).record if self.store.exists(key) else None
