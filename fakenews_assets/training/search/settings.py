"""Settings of a hyperparameter search. Importing this module needs no heavy library."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from fakenews_assets.training.settings import FinetuneSettings

Bounds = Annotated[list[float], Field(min_length=2, max_length=2)]
"""Lowest and highest value, both included."""


class SearchSettings(BaseModel):
    """Settings of `search`. A setting of the training that has no bounds here keeps its value."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base: FinetuneSettings = Field(
        default=FinetuneSettings(), description="Every choice that is not searched."
    )

    trials: int = Field(
        default=20,
        ge=1,
        description="Trials wanted in total, run to their end or pruned; those of earlier calls on the same data"
        " and settings count.",
    )
    minutes: float | None = Field(
        default=60,
        gt=0,
        description="Time limit of one call. A trial that is still running then is dropped, unless none has"
        " finished yet; null: no limit.",
    )
    seed: int = Field(default=0, ge=0, description="Seed of the trials and of the drawn rows.")

    rows: int | None = Field(
        default=8_000, ge=2, description="Training rows of a trial, drawn at random; null: all."
    )
    val_rows: int | None = Field(
        default=4_000, ge=2, description="Validation rows of a trial, drawn at random; null: all."
    )
    epochs: int = Field(default=1, ge=1, description="Epochs of a trial.")
    evaluations_per_epoch: int = Field(
        default=4, ge=1, description="Validations per epoch of a trial; it can be pruned at each."
    )

    learning_rate: Bounds | None = Field(
        default=[2e-5, 3e-4],
        description="Lowest and highest, tried on a logarithmic scale; null: not searched.",
    )
    batch_size: list[int] | None = Field(
        default=[16, 32, 64], min_length=1, description="The sizes to choose from; null: not searched."
    )
    max_tokens: list[int] | None = Field(
        default=[128, 256],
        min_length=1,
        description="The longest inputs to choose from, where articles are read; those that the encoder cannot read"
        " are left out. null: not searched.",
    )
    warmup: Bounds | None = Field(
        default=[0.0, 0.2], description="Lowest and highest share of the steps; null: not searched."
    )
    dropout: Bounds | None = Field(default=[0.0, 0.3], description="Lowest and highest; null: not searched.")

    random_trials: int = Field(
        default=8,
        ge=1,
        description="Trials drawn at random before the sampler (TPE) learns from their values.",
    )
    pruner_trials: int = Field(
        default=5,
        ge=1,
        description="Trials run to their end before any is pruned. From then on a trial ends as soon as its best"
        " macro-F1 is below the median of the others after as many validations.",
    )
    pruner_validations: int = Field(
        default=1, ge=0, description="Validations at the start of a trial after which it is never pruned."
    )

    @model_validator(mode="after")
    def _bounds_make_sense(self) -> "SearchSettings":
        for name, (low, high) in self.bounds.items():
            if not 0 <= low <= high < 1 or (name == "learning_rate" and low == 0):
                raise ValueError(
                    f"{name}: [{low}, {high}] is not a range; give the lower number first, both from 0 to below 1"
                    " (a learning rate above 0), or null to leave it as it is"
                )
        if self.batch_size and min(self.batch_size) < 1:
            raise ValueError(f"batch_size: {self.batch_size} has a size below 1; give sizes of 1 or more")
        if self.max_tokens and min(self.max_tokens) < 8:
            raise ValueError(f"max_tokens: {self.max_tokens} has a length below 8; give lengths of 8 or more")
        if not self.bounds and not self.choices:
            raise ValueError("Nothing to search: give at least one setting its bounds")
        return self

    @property
    def bounds(self) -> dict[str, list[float]]:
        """The searched settings that have a lowest and a highest value, by their name in `FinetuneSettings`."""
        names = ("learning_rate", "warmup", "dropout")
        return {name: bounds for name in names if (bounds := getattr(self, name)) is not None}

    @property
    def choices(self) -> dict[str, list[int]]:
        """The searched settings that take one of a few values, by their name in `FinetuneSettings`."""
        lengths = self.max_tokens or []
        if self.base.inputs == "title":  # shorter than any of them
            lengths = []
        lengths = [length for length in lengths if length <= self.base.encoder.max_tokens]
        named = {"batch_size": self.batch_size, "max_tokens": lengths}
        return {name: values for name, values in named.items() if values}
