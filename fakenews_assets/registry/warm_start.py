"""Finds the fine-tuned encoder behind a bundle, for a warm start."""

from dataclasses import dataclass
from typing import Final

from fakenews_assets.registry.bundle import BundleError, open_bundle
from fakenews_assets.registry.champion import ChampionRegistry, RegistryError
from fakenews_resources.storage.artifact import Artifact
from fakenews_resources.storage.store import Store

CHAMPION: Final = "champion"


@dataclass(frozen=True)
class WarmStart:
    """The starting point of a warm start."""

    bundle: str
    """Sha of the bundle."""
    encoder: Artifact
    """The version of `finetuned_bert` that it descends from, in torch's format whatever the bundle's is."""


def warm_start(store: Store, bundle: str, encoder: str) -> WarmStart:
    """Find the fine-tuned encoder that a bundle descends from.

    Args:
        store: the graph's values.
        bundle: sha of a bundle, or `champion`.
        encoder: name of the pretrained encoder that the new model's card will name.

    Raises:
        RegistryError: there is no champion.
        BundleError: there is no such bundle, it is damaged, or no fine-tuned encoder, or another one, is behind it.
        ValueMissing: that encoder is no longer stored.
    """
    if bundle == CHAMPION:
        pointer = ChampionRegistry(store.bundles).champion()
        if pointer is None:
            raise RegistryError("There is no champion for a warm start; leave warm_start empty.")
        bundle = pointer.bundle
    manifest = open_bundle(store.bundle(bundle)).manifest
    if "finetuned_bert" not in manifest.data_versions:
        raise BundleError(f"Bundle {bundle} was not made of a fine-tuned encoder; leave warm_start empty.")
    if manifest.finetuned_from != encoder:
        raise BundleError(
            f"Bundle {bundle} descends from the encoder {manifest.finetuned_from}, not from {encoder}. Set `encoder` to"
            " the first of the two, or leave warm_start empty."
        )
    return WarmStart(bundle, store.get("finetuned_bert", manifest.data_versions["finetuned_bert"]))
