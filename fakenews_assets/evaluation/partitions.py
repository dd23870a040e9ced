"""Partitions of the evaluation: one per candidate for the champion's place."""

from typing import Final

import dagster as dg

CANDIDATES: Final = {"baseline": "baseline_model", "finetuned": "finetuned_bert"}
"""Name of a candidate, and the store key of the model that it stands for."""

candidates = dg.StaticPartitionsDefinition(list(CANDIDATES))
