"""Partitions of the evaluation: one per candidate."""

from typing import Final

import dagster as dg

from fakenews_assets.compression.partitions import CHOSEN, students, variants
from fakenews_assets.compression.settings import STATIC
from fakenews_assets.ensembling.partitions import CASCADES, ENCODERS, ENSEMBLES, cascades, ensembles

CANDIDATES: Final = {
    "baseline": "baseline_model",
    "frozen": "frozen_encoder",
    STATIC: "static_model",
    **ENCODERS,
    **{ensemble: f"ensemble_model/{ensemble}" for ensemble in ENSEMBLES},
    **{cascade: f"cascade_model/{cascade}" for cascade in CASCADES},
}
"""Name of a candidate, and the store key of the model that it stands for."""

_ALWAYS: Final = ("baseline", "finetuned")

if unknown := CHOSEN - CANDIDATES.keys():
    raise ValueError(
        f"FAKENEWS_CANDIDATES names {', '.join(sorted(unknown))}. Known are {', '.join(CANDIDATES)}."
    )

candidates = dg.StaticPartitionsDefinition([name for name in CANDIDATES if name in _ALWAYS or name in CHOSEN])

model_assets = [
    "baseline_model",
    "frozen_encoder",
    "finetuned_bert",
    "pruned_bert",
    "static_model",
    *(
        dg.AssetDep(
            asset,
            partition_mapping=dg.StaticPartitionMapping(
                {name: name for name in models.get_partition_keys() if name in CHOSEN}
            ),
        )
        for asset, models in (
            ("distilled_bert", students),
            ("quantized_bert", variants),
            ("ensemble_model", ensembles),
            ("cascade_model", cascades),
        )
    ),
]
"""Where candidates come from."""
