"""Partitions of the compression group: students, and exported variants named `<source>-<format>`."""

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

students = dg.StaticPartitionsDefinition(list(STUDENTS))
variants = dg.StaticPartitionsDefinition(list(VARIANTS))

variants_of_students = dg.StaticPartitionMapping(
    {student: [name for name, (source, _) in VARIANTS.items() if source == student] for student in STUDENTS}
)
"""Which variants are made of which student."""
