"""Reads the recipe of a bundle, and prepares a scratch store for its reproduction."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fakenews_assets.registry.bundle import Bundle, BundleError, Manifest, open_bundle
from fakenews_assets.registry.warm_start import CHAMPION
from fakenews_resources.storage.artifact import Artifact
from fakenews_resources.storage.hashing import hash_files, version_of
from fakenews_resources.storage.ledger import Ledger
from fakenews_resources.storage.store import Store, StoreError
from fakenews_resources.storage.tombstones import Tombstones

ENCODER: Final = "finetuned_bert"
RAW: Final = "raw_news"
RATINGS: Final = "source_ratings"
SEARCH: Final = "hyperparameter_search"

GIVEN: Final = (RAW, RATINGS, SEARCH, "admission")
"""Assets that are copied: received bytes and a person's decisions cannot be remade, and a search depends on its time
limit."""


class CannotReproduce(RuntimeError):
    """An input of the recipe is missing or damaged; the message says which."""


@dataclass(frozen=True)
class Step:
    """One value to remake."""

    key: str
    config: Mapping[str, Any]
    """As it was when the value was made."""

    @property
    def asset(self) -> str:
        """Name of the asset."""
        return self.key.partition("/")[0]

    @property
    def partition(self) -> str | None:
        """The asset's partition, if it has any."""
        return self.key.partition("/")[2] or None


@dataclass(frozen=True)
class WarmStart:
    """The bundle and encoder of a warm start."""

    bundle: Bundle
    encoder: str
    """Version of `finetuned_bert`."""


def lay_out(store: Store, scratch: Store, manifest: Manifest, order: Sequence[str]) -> list[Step]:
    """Copy the verified inputs of a recipe into the scratch store, and list the steps to remake the rest.

    Args:
        store: holds the values behind the bundle. Nothing of it is changed.
        scratch: an empty store.
        manifest: of the bundle.
        order: names of all assets, each after those that it is made of.

    Returns:
        The steps in their order; batches are cleaned as they were received.

    Raises:
        CannotReproduce: raw bytes, a search or a warm start are missing or damaged.
    """
    try:
        ledger = Tombstones(store).sound()
    except StoreError as error:
        raise CannotReproduce(str(error)) from error
    if ledger.entries:
        shutil.copytree(Tombstones(store).backend.fetch(), Tombstones(scratch).backend.root)
    received: dict[str, str] = {}
    for key, version in manifest.data_versions.items():
        asset, _, batch = key.partition("/")
        if asset in GIVEN:
            given = _adopt(store, scratch, key, version, ledger)
            if asset == RAW:
                received[batch] = given.meta["received_at"]
    warm = _warm_start(store, manifest)
    if warm is not None:
        shutil.copytree(warm.bundle.path, scratch.bundles.root / warm.bundle.sha)
        _adopt(store, scratch, ENCODER, warm.encoder, ledger)
    steps = []
    for key in manifest.data_versions:
        config = dict(manifest.config.get(key, {}))
        if key == ENCODER and warm is not None:
            config["warm_start"] = warm.bundle.sha  # "champion" was another one then
        steps.append(Step(key, config))
    return sorted(
        (step for step in steps if step.asset not in GIVEN),
        key=lambda step: (order.index(step.asset), received.get(step.partition or "", ""), step.key),
    )


def _adopt(store: Store, scratch: Store, key: str, version: str, ledger: Ledger) -> Artifact:
    """Copy a version after verifying its files against its name, known erasures aside."""
    try:
        artifact = store.get(key, version)
        files, _ = ledger.undo(key, version, hash_files(artifact.path))
        if version_of(files) != version:
            raise CannotReproduce(
                f"{key}: the files in {artifact.path} do not match version {version}. Restore them"
                " from a backup; `fakenews audit` says which."
            )
        return scratch.adopt(artifact)
    except StoreError as error:
        removal = ledger.removal_of(key, version)
        told = (
            f" It was removed on {removal.at:%Y-%m-%d} by {removal.by}: {removal.reason}." if removal else ""
        )
        raise CannotReproduce(f"This bundle cannot be reproduced: {error}{told}") from error


def _warm_start(store: Store, manifest: Manifest) -> WarmStart | None:
    """Find the training's warm start; None if there was none."""
    asked = str(manifest.config.get(ENCODER, {}).get("warm_start", ""))
    if not asked:
        return None
    try:
        if asked == CHAMPION:  # which one that was, the encoder's record tells
            asked = store.get(ENCODER, manifest.data_versions[ENCODER]).meta["warm_start"]["bundle"]
        bundle = open_bundle(store.bundle(asked))
        return WarmStart(bundle, bundle.manifest.data_versions[ENCODER])
    except (BundleError, StoreError, KeyError) as error:
        raise CannotReproduce(
            f"This bundle was trained from the encoder behind an earlier bundle ({asked}), which is no "
            f"longer stored, so it cannot be reproduced: {error}"
        ) from error
