"""The behavioural tests: what each demands, and how often. In plain records: nothing here needs a heavy library."""

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
    """What is done to articles, and what the answers must do then."""

    model_config = ConfigDict(frozen=True)

    kind: Kind
    demand: Demand
    least: float | None = Field(description="Share of the cases that must pass; None: nothing is demanded.")
    what: str = Field(description="One sentence for readers of a report.")


BEHAVIOURS: Final[dict[BehaviourName, BehaviourTest]] = {
    "plain_titles": BehaviourTest(
        kind="minimum functionality",
        demand="as labelled",
        least=0.8,
        what="Titles that nobody would mistake are decided as everybody would.",
    ),
    "typos": BehaviourTest(
        kind="invariance",
        demand="same decision",
        least=0.9,
        what="Two neighbouring letters change places in one or two words of the title: the decision stays.",
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
        what="Curly quotes and long dashes: the answer is the same to the bit, as text preparation straightens them.",
    ),
    "dateline": BehaviourTest(
        kind="invariance",
        demand="same answer",
        least=1.0,
        what="A publisher's dateline and suffix are added: the answer is the same to the bit, as text preparation"
        " removes them.",
    ),
    "swapped_names": BehaviourTest(
        kind="invariance",
        demand="same decision",
        least=0.9,
        what="The names in the title are replaced by others of the corpus: the decision stays.",
    ),
    "negation": BehaviourTest(
        kind="observation",
        demand="same decision",
        least=None,
        what="The claim is turned into its opposite. Nothing is demanded: if a claim is true its denial is false, so a"
        " judge of facts would have to change the decision; but the labels say who published an article, which a"
        " denial leaves as it was. How often the decision stays shows which of the two the model is.",
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
        what="A body of nothing but blanks is no body: the answer is the same to the bit.",
    ),
    "long_body": BehaviourTest(
        kind="invariance",
        demand="same answer",
        least=1.0,
        what="A body of 20,000 words gets the answer of its beginning, as far as the model reads.",
    ),
    "other_language": BehaviourTest(
        kind="minimum functionality",
        demand="no answer",
        least=0.8,
        what="Headlines in other languages get no answer.",
    ),
    "gibberish": BehaviourTest(
        kind="minimum functionality",
        demand="no answer",
        least=0.8,
        what="What is no language gets no answer.",
    ),
}
