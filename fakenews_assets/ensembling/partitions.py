"""Partitions of the ensembles and cascades: one for each encoder, named `ensemble-<encoder>` and `cascade-<encoder>`."""

from typing import Final

import dagster as dg

from fakenews_assets.compression.partitions import (
    CASCADE,
    CHOSEN,
    ENSEMBLE,
    SOURCES,
    VARIANTS,
    encoder_in,
    students,
    variants,
)

ENCODERS: Final = {**SOURCES, **{variant: f"quantized_bert/{variant}" for variant in VARIANTS}}
"""Name of an encoder, trained or exported, and the store key of its files."""

ENSEMBLES: Final = {f"{ENSEMBLE}{encoder}": key for encoder, key in ENCODERS.items()}
"""Name of an ensemble, and the store key of its encoder."""

CASCADES: Final = {f"{CASCADE}{encoder}": f"ensemble_model/{ENSEMBLE}{encoder}" for encoder in ENCODERS}
"""Name of a cascade, and the store key of its ensemble."""

_NEEDED: Final = {name for name in ENSEMBLES if name in CHOSEN or f"{CASCADE}{encoder_in(name)}" in CHOSEN}
ensembles = dg.StaticPartitionsDefinition([name for name in ENSEMBLES if name in _NEEDED])
cascades = dg.StaticPartitionsDefinition([name for name in CASCADES if name in CHOSEN])

ensembles_of_cascades = dg.StaticPartitionMapping(
    {f"{ENSEMBLE}{encoder_in(name)}": name for name in cascades.get_partition_keys()}
)
"""Which ensemble is the second stage of which cascade."""

member_assets = [
    "baseline_model",
    "finetuned_bert",
    "pruned_bert",
    *(
        dg.AssetDep(
            asset,
            partition_mapping=dg.StaticPartitionMapping(
                {
                    name: f"{ENSEMBLE}{name}"
                    for name in members.get_partition_keys()
                    if f"{ENSEMBLE}{name}" in _NEEDED
                }
            ),
        )
        for asset, members in (("distilled_bert", students), ("quantized_bert", variants))
    ),
]
"""Where the members of ensembles come from."""
