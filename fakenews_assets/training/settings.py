"""Settings of a training. Importing this module needs no heavy library."""

from collections.abc import Mapping
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import override

from fakenews_assets.common.hardware import Accelerator
from fakenews_assets.models.settings import EncoderSpec, EncodingSettings, Inputs

NOT_THE_RESULT: Final = {"resume", "checkpoint_every"}
"""Fields of `FinetuneSettings` that two runs may differ in and still be the same run."""


class _EncoderSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    encoder: EncoderSpec = Field(default=EncoderSpec(), description="Pretrained encoder to start from.")
    inputs: Inputs = Field(
        default="title_and_text", description="What the model reads: titles, or titles with texts."
    )
    max_tokens: int = Field(
        default=256, ge=8, description="Longest input in tokens; longer articles are cut."
    )

    @model_validator(mode="after")
    def _input_fits_encoder(self) -> Self:
        if self.max_tokens > self.encoder.max_tokens:
            raise ValueError(
                f"max_tokens={self.max_tokens} is longer than the encoder {self.encoder.name!r} reads"
                f" ({self.encoder.max_tokens}); lower max_tokens"
            )
        return self

    @property
    def encoding(self) -> EncodingSettings:
        """How articles are laid out, as stored beside the tokenizer."""
        return EncodingSettings(inputs=self.inputs, max_tokens=self.max_tokens)


class FrozenSettings(_EncoderSettings):
    """Settings of `frozen_encoder`."""

    inverse_regularization: float = Field(
        default=10.0, gt=0, description="C of the logistic regression: larger fits the training rows closer."
    )


class FinetuneSettings(_EncoderSettings):
    """Settings of `finetune`."""

    read_case: bool = Field(
        default=True,
        description="Whether an encoder that ignores case is told how each token is written; see `models.casing`.",
    )
    drop_text: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="With `title_and_text`: share of the rows that show only their title, drawn anew in each"
        " epoch, so that one model serves headlines and whole articles, and a missing text says nothing.",
    )

    epochs: int = Field(default=3, ge=1, description="Most epochs.")
    learning_rate: float = Field(default=1e-4, gt=0, description="Peak learning rate, after warm-up.")
    batch_size: int = Field(
        default=32,
        ge=1,
        description="Mean rows per batch and process; see `plan_epoch` of `models.batching`.",
    )
    warmup: float = Field(
        default=0.06, ge=0, lt=1, description="Share of all steps over which the learning rate rises from 0."
    )
    weight_decay: float = Field(default=0.01, ge=0, description="Weight decay of AdamW, on matrices only.")
    gradient_clip: float = Field(default=1.0, gt=0, description="Largest norm of the whole gradient.")
    dropout: float | None = Field(
        default=None,
        ge=0,
        lt=1,
        description="Dropout of embeddings, hidden layers and head; null: the encoder's own.",
    )
    attention_dropout: float | None = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Dropout of attention weights; null: the encoder's own. 0 keeps the fused attention kernel, which"
        " has no dropout on a CPU.",
    )
    pruning: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Share of all linear weights set to zero before training, smallest first, and"
        " kept there (unstructured L1). Shrinks nothing by itself; 0: off.",
    )

    patience: int = Field(
        default=4, ge=1, description="Validations without improvement, by `keep`, before stopping."
    )
    keep: Literal["macro_f1", "loss"] = Field(
        default="macro_f1",
        description="Which validation's weights are kept: highest macro-F1, or lowest loss. A fine-tuned encoder"
        " grows overconfident before it stops learning, so the loss alone stops too soon.",
    )
    evaluations_per_epoch: int = Field(default=2, ge=1, description="Validations per epoch, evenly spaced.")
    checkpoint_every: int = Field(
        default=200, ge=1, description="Steps between resumable checkpoints: what a killed run loses at most."
    )
    resume: bool = Field(
        default=True, description="Continue from the work folder's checkpoint if it is of the same run."
    )
    seed: int = Field(default=0, ge=0, description="Seed of the new head, the order of rows, and dropout.")

    precision: Literal["auto", "bf16", "fp32"] = Field(
        default="auto",
        description="Arithmetic of the forward pass; weights stay float32. `auto`: bfloat16 where the hardware"
        " has it.",
    )
    accelerator: Accelerator = Field(default="auto", description="Lightning's accelerator.")
    devices: int = Field(default=1, ge=1, description="Processors or GPUs per node; one process each.")
    num_nodes: int = Field(default=1, ge=1, description="Machines that train together.")
    strategy: str = Field(
        default="auto",
        description="Lightning's strategy. For several devices: `ddp` in processes started by torchrun, one per"
        " device; `ddp_fork` to have them forked from this one.",
    )

    @property
    @override
    def encoding(self) -> EncodingSettings:
        return super().encoding.model_copy(update={"read_case": self.read_case})


class FinetunedBertSettings(FinetuneSettings):
    """Settings of the fine-tuning."""

    use_search: bool = Field(
        default=False,
        description="Use the best settings of `hyperparameter_search` instead of those given here.",
    )
    warm_start: str = Field(
        default="",
        description="Continue from the fine-tuned encoder behind a bundle: `champion`, or the bundle's sha. Empty: start"
        " from the pretrained encoder.",
    )

    def training(self, found: Mapping[str, Any] | None = None) -> FinetuneSettings:
        """What `finetune` takes, with the settings that a search found in place of those given here."""
        own = self.model_dump(include=set(FinetuneSettings.model_fields))
        return FinetuneSettings.model_validate(own | dict(found or {}))
