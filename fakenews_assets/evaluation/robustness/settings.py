"""The perturbations and behavioural tests of a candidate, each with its limit.

Importing this module needs no heavy library.
"""

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal["minimum functionality", "invariance", "direction", "observation"]
"""The three of Ribeiro et al., and what is only looked at."""

Demand = Literal["as labelled", "same decision", "same answer", "not lower", "not higher", "no answer"]

BehaviourName = Literal[
    "plain_titles",
    "typos",
    "casing",
    "quote_style",
    "dateline",
    "swapped_names",
    "negation",
    "sensational_prefix",
    "sober_attribution",
    "no_body",
    "long_body",
    "other_language",
    "gibberish",
]


class BehaviourTest(BaseModel):
    """A change to articles, and how the answers must react."""

    model_config = ConfigDict(frozen=True)

    kind: Kind
    demand: Demand
    least: float | None = Field(description="Share of the cases that must pass; None: no requirement.")
    what: str = Field(description="One sentence for readers of a report.")


BEHAVIOURS: Final[dict[BehaviourName, BehaviourTest]] = {
    "plain_titles": BehaviourTest(
        kind="minimum functionality",
        demand="as labelled",
        least=0.8,
        what="Unmistakable titles get the right label.",
    ),
    "typos": BehaviourTest(
        kind="invariance",
        demand="same decision",
        least=0.9,
        what="Two neighbouring letters are swapped in one or two words of the title: the decision stays.",
    ),
    "casing": BehaviourTest(
        kind="invariance",
        demand="same decision",
        least=0.95,
        what="The title in lower case, in capitals or in title case: the decision stays.",
    ),
    "quote_style": BehaviourTest(
        kind="invariance",
        demand="same answer",
        least=1.0,
        what="Curly quotes and long dashes: the answer is identical, because text preparation straightens them.",
    ),
    "dateline": BehaviourTest(
        kind="invariance",
        demand="same answer",
        least=1.0,
        what="A publisher's dateline and suffix are added: the answer is identical, because text preparation "
        "removes them.",
    ),
    "swapped_names": BehaviourTest(
        kind="invariance",
        demand="same decision",
        least=0.9,
        what="Other names of the corpus replace the names in the title: the decision stays.",
    ),
    "negation": BehaviourTest(
        kind="observation",
        demand="same decision",
        least=None,
        what="The claim is negated. There is no requirement: a fact checker would change its decision, "
        "because the negation of a true claim is false, but the labels say who published an "
        "article, which a negation does not change. How often the decision stays shows which of the "
        "two the model does.",
    ),
    "sensational_prefix": BehaviourTest(
        kind="direction",
        demand="not lower",
        least=0.9,
        what="A sensational opening does not lower the probability of fake.",
    ),
    "sober_attribution": BehaviourTest(
        kind="direction",
        demand="not higher",
        least=0.9,
        what="A sober attribution at the end does not raise the probability of fake.",
    ),
    "no_body": BehaviourTest(
        kind="invariance",
        demand="same answer",
        least=1.0,
        what="A body of blanks counts as no body: the answer is identical.",
    ),
    "long_body": BehaviourTest(
        kind="invariance",
        demand="same answer",
        least=1.0,
        what="A body of 20,000 words gets the same answer as the part that the model reads.",
    ),
    "other_language": BehaviourTest(
        kind="minimum functionality",
        demand="no answer",
        least=0.8,
        what="The model abstains on headlines in other languages.",
    ),
    "gibberish": BehaviourTest(
        kind="minimum functionality",
        demand="no answer",
        least=0.8,
        what="The model abstains on gibberish.",
    ),
}

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
    "names_masked": "names of people, places and organisations masked",
    "names_swapped": "each name swapped for another one of the corpus",
    "lower_case": "all in lower case",
    "upper_case": "all in capitals",
    "no_punctuation": "without punctuation",
    "publishers_masked": "publishers and agencies masked",
    "title_only": "title alone, of articles with a text",
    "text_only": "text alone, of articles with a text",
}
