"""Partitions of the evaluation: one per candidate."""

from typing import Final

import dagster as dg

from fakenews_assets.compression.partitions import VARIANTS
from fakenews_assets.compression.settings import STUDENTS
from fakenews_assets.ensembling.partitions import ENCODERS, ENSEMBLES

CANDIDATES: Final = {
    "baseline": "baseline_model",
    "frozen": "frozen_encoder",
    **ENCODERS,
    **{ensemble: f"ensemble_model/{ensemble}" for ensemble in ENSEMBLES},
}
"""Name of a candidate, and the store key of the model that it stands for."""

candidates = dg.StaticPartitionsDefinition(list(CANDIDATES))

model_assets = [
    "baseline_model",
    "frozen_encoder",
    "finetuned_bert",
    "pruned_bert",
    *(
        dg.AssetDep(
            asset, partition_mapping=dg.StaticPartitionMapping({candidate: candidate for candidate in names})
        )
        for asset, names in (
            ("distilled_bert", STUDENTS),
            ("quantized_bert", VARIANTS),
            ("ensemble_model", ENSEMBLES),
        )
    ),
]
"""Where candidates come from."""
