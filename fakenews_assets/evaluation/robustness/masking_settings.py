"""What is hidden from a candidate, and how much that may cost it. In plain records: nothing here needs a heavy library."""

from typing import Final, Literal

PerturbationName = Literal[
    "names_masked",
    "names_swapped",
    "lower_case",
    "upper_case",
    "no_punctuation",
    "publishers_masked",
    "title_only",
    "text_only",
]

LIMITS: Final[dict[PerturbationName, float]] = {
    "names_masked": 0.05,
    "names_swapped": 0.05,
    "lower_case": 0.02,
    "upper_case": 0.02,
    "no_punctuation": 0.03,
    "publishers_masked": 0.02,
    "title_only": 0.15,
    "text_only": 0.15,
}
"""Macro-F1 that may be lost. What is no part of the news (casing, signs, publishers) may cost little; whom it is about
may cost more; a title or a text alone says less than both."""

PERTURBATIONS: Final[dict[PerturbationName, str]] = {
    "names_masked": "names of people, places and organisations hidden",
    "names_swapped": "each name replaced by another one of the corpus",
    "lower_case": "all in lower case",
    "upper_case": "all in capitals",
    "no_punctuation": "without punctuation",
    "publishers_masked": "publishers and agencies hidden",
    "title_only": "title alone, of articles with a text",
    "text_only": "text alone, of articles with a text",
}
