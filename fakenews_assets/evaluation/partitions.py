"""Partitions of the evaluation: one per candidate."""

from typing import Final

import dagster as dg

from fakenews_assets.compression.partitions import SOURCES, VARIANTS
from fakenews_assets.compression.settings import STUDENTS

CANDIDATES: Final = {
    "baseline": "baseline_model",
    **SOURCES,
    **{variant: f"quantized_bert/{variant}" for variant in VARIANTS},
}
"""Name of a candidate, and the store key of the model that it stands for."""

candidates = dg.StaticPartitionsDefinition(list(CANDIDATES))

model_assets = [
    "baseline_model",
    "finetuned_bert",
    "pruned_bert",
    dg.AssetDep(
        "distilled_bert",
        partition_mapping=dg.StaticPartitionMapping({student: student for student in STUDENTS}),
    ),
    dg.AssetDep(
        "quantized_bert",
        partition_mapping=dg.StaticPartitionMapping({variant: variant for variant in VARIANTS}),
    ),
]
"""Where candidates come from."""
