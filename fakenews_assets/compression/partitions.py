"""Partitions of the compression group: students, and exported variants named `<source>-<format>`."""

import os
from collections.abc import Collection
from typing import Final

import dagster as dg

from fakenews_assets.compression.settings import FORMATS, PRUNED, STUDENTS, Format

SOURCES: Final = {
    "finetuned": "finetuned_bert",
    **{student: f"distilled_bert/{student}" for student in STUDENTS},
    PRUNED: "pruned_bert",
}
"""Name of a trained model, and the store key of its files."""

VARIANTS: Final[dict[str, tuple[str, Format]]] = {
    f"{source}-{variant}": (source, variant) for source in SOURCES for variant in FORMATS
}
"""Name of an exported variant, the trained model it is made of, and its format."""

ENSEMBLE: Final = "ensemble-"
"""Begins the name of an ensemble; that of its encoder follows."""

CASCADE: Final = "cascade-"
"""Begins the name of a cascade; that of its encoder follows."""

DEFAULT_CANDIDATES: Final = (
    "distilled-3l",
    "finetuned-openvino-int8",
    "distilled-3l-openvino-int8",
    "ensemble-finetuned-openvino-int8",
)
"""A student, both encoders in int8, and an ensemble with the baseline."""

CHOSEN: Final = frozenset(os.environ.get("FAKENEWS_CANDIDATES", " ".join(DEFAULT_CANDIDATES)).split())
"""The candidates besides the baseline and the fine-tuned encoder. Only these are partitions, and what they are made of:
a backfill must not fail because of pretrained weights or arithmetic that this machine lacks."""


def encoder_in(candidate: str) -> str:
    """Name of the encoder in an ensemble or a cascade; of another candidate its own name."""
    return candidate.removeprefix(CASCADE).removeprefix(ENSEMBLE)


def needed_variants(chosen: Collection[str]) -> list[str]:
    """The exported variants that are candidates, or that ensembles and cascades among them are made of."""
    encoders = set(map(encoder_in, chosen))
    return [variant for variant in VARIANTS if variant in encoders]


def needed_students(chosen: Collection[str]) -> list[str]:
    """The students that are candidates, or that other candidates are made of."""
    encoders = set(map(encoder_in, chosen))
    sources = {VARIANTS[variant][0] for variant in needed_variants(chosen)}
    return [student for student in STUDENTS if student in encoders | sources]


students = dg.StaticPartitionsDefinition(needed_students(CHOSEN))
variants = dg.StaticPartitionsDefinition(needed_variants(CHOSEN))

variants_of_students = dg.StaticPartitionMapping(
    {
        student: [name for name in needed_variants(CHOSEN) if VARIANTS[name][0] == student]
        for student in needed_students(CHOSEN)
    }
)
"""Which variants are made of which student."""
