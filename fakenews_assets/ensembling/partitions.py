"""Partitions of the ensembles: one for each encoder, named `ensemble-<encoder>`."""

from typing import Final

import dagster as dg

from fakenews_assets.compression.partitions import SOURCES, VARIANTS
from fakenews_assets.compression.settings import STUDENTS

ENCODERS: Final = {**SOURCES, **{variant: f"quantized_bert/{variant}" for variant in VARIANTS}}
"""Name of an encoder, trained or exported, and the store key of its files."""

ENSEMBLE: Final = "ensemble-"
"""Begins the name of an ensemble; that of its encoder follows."""

ENSEMBLES: Final = {f"{ENSEMBLE}{encoder}": key for encoder, key in ENCODERS.items()}
"""Name of an ensemble, and the store key of its encoder."""

ensembles = dg.StaticPartitionsDefinition(list(ENSEMBLES))

member_assets = [
    "baseline_model",
    "finetuned_bert",
    "pruned_bert",
    *(
        dg.AssetDep(
            asset,
            partition_mapping=dg.StaticPartitionMapping({name: f"{ENSEMBLE}{name}" for name in names}),
        )
        for asset, names in (("distilled_bert", STUDENTS), ("quantized_bert", VARIANTS))
    ),
]
"""Where the members come from."""
