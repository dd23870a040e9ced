"""Partitions of the ensembles: one for each encoder, named `ensemble-<encoder>`."""

from typing import Final

import dagster as dg

from fakenews_assets.compression.partitions import CHOSEN, ENSEMBLE, SOURCES, VARIANTS, students, variants

ENCODERS: Final = {**SOURCES, **{variant: f"quantized_bert/{variant}" for variant in VARIANTS}}
"""Name of an encoder, trained or exported, and the store key of its files."""

ENSEMBLES: Final = {f"{ENSEMBLE}{encoder}": key for encoder, key in ENCODERS.items()}
"""Name of an ensemble, and the store key of its encoder."""

ensembles = dg.StaticPartitionsDefinition([name for name in ENSEMBLES if name in CHOSEN])

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
                    if f"{ENSEMBLE}{name}" in CHOSEN
                }
            ),
        )
        for asset, members in (("distilled_bert", students), ("quantized_bert", variants))
    ),
]
"""Where the members come from."""
