"""Settings of distillation, pruning and quantization. Importing this module needs no heavy library."""

from typing import Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

Format = Literal["openvino-int8", "onnx-int8", "openvino-bf16", "openvino-fp32"]

FORMATS: Final[tuple[Format, ...]] = get_args(Format)
"""Formats that a trained model can be exported to; the last two are references for int8."""

LAYERS_OF_STUDENT: Final = {"distilled-3l": 3, "distilled-2l": 2}
"""Students that start from evenly spaced layers of the teacher."""

ENCODER_OF_STUDENT: Final = {"distilbert": "distilbert-base-uncased", "albert": "albert-base-v2"}
"""Students that start from their own pretrained weights."""

PRUNED: Final = "pruned"
"""The candidate that is the pruned and retrained teacher."""

STATIC: Final = "static"
"""The candidate that is a static student."""

STUDENTS: Final = (*LAYERS_OF_STUDENT, *ENCODER_OF_STUDENT)


class RecoverySettings(BaseModel):
    """Settings of the training of a smaller model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: float = Field(
        default=2.0, gt=0, description="Temperature of the softmax of teacher and student in the loss."
    )
    label_weight: float = Field(
        default=0.3,
        ge=0,
        le=1,
        description="Weight of the true labels in the loss; the rest is the weight of the teacher's predictions.",
    )
    hidden_weight: float = Field(
        default=1.0,
        ge=0,
        description="Weight of the hidden-state loss: one minus the cosine of the first token's states.",
    )
    epochs: int = Field(
        default=6,
        ge=1,
        description="Most epochs; a student needs more than its teacher.",
    )
    learning_rate: float = Field(default=1.5e-4, gt=0, description="Peak learning rate, after warm-up.")
    batch_size: int = Field(default=32, ge=1, description="Mean rows per batch and process.")
    patience: int = Field(
        default=6, ge=1, description="Validations without a better macro-F1 before stopping."
    )
    checkpoint_every: int = Field(default=200, ge=1, description="Steps between resumable checkpoints.")
    seed: int = Field(default=0, ge=0, description="Seed of the order of rows, dropout and new weights.")


class PruningSettings(RecoverySettings):
    """Settings of `pruned_bert`."""

    keep_heads: float = Field(
        default=0.5, gt=0, le=1, description="Share of the attention heads kept in each layer, at least one."
    )
    keep_ffn: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="Share of the feed-forward width kept in each layer, rounded up to a multiple of 32 for "
        "vector units.",
    )
    importance_rows: int = Field(
        default=1024,
        ge=1,
        description="Training articles for estimating importance, with and without their texts; drawn with the seed.",
    )


class DistillationSettings(PruningSettings):
    """Settings of `distilled_bert`."""

    keep_heads: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="Share of the heads that the student starts with, the most important ones.",
    )
    keep_ffn: float = Field(
        default=1.0, gt=0, le=1, description="Share of the feed-forward width that the student starts with."
    )


class StaticSettings(BaseModel):
    """Settings of `static_model`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_words: int = Field(
        default=300,
        ge=1,
        description="Words and signs that are read of a title and of a text, from the beginning.",
    )
    min_articles: int = Field(
        default=2, ge=1, description="Training articles that a word, or pair of words, must occur in."
    )
    max_terms: int = Field(
        default=300_000, ge=1, description="Most words and pairs of words kept, commonest first."
    )
    dimensions: int = Field(default=64, ge=1, description="Of an embedding: most principal components kept.")
    sif: float = Field(
        default=1e-3,
        gt=0,
        description="Share of all words at which a word's first embedding weighs half: rarer ones weigh more.",
    )
    hidden: int = Field(default=64, ge=1, description="Width of the hidden layer.")
    temperature: float = Field(
        default=2.0, gt=0, description="Temperature of the sigmoid of teacher and student in the loss."
    )
    label_weight: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Weight of the true labels in the loss; the rest is the weight of the teacher's predictions.",
    )
    drop_text: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Share of the rows with a text that show only their title, drawn anew in each epoch.",
    )
    epochs: int = Field(default=6, ge=1, description="Epochs; the weights of the best validation are kept.")
    learning_rate: float = Field(default=3e-3, gt=0, description="Peak learning rate of Adam, after warm-up.")
    batch_size: int = Field(default=64, ge=1, description="Rows per batch.")
    seed: int = Field(default=0, ge=0, description="Seed of the order of rows and of the new weights.")


class QuantizationSettings(BaseModel):
    """Settings of `quantized_bert`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    calibration_rows: int = Field(
        default=300,
        ge=1,
        description="Training articles for calibrating the ranges of activations, with and without their texts.",
    )
    validation_rows: int = Field(
        default=1000,
        ge=1,
        description="Validation articles on which a variant is compared with its source, with and without their texts.",
    )
    max_drop_points: float = Field(
        default=0.5,
        ge=0,
        description="Macro-F1 points that int8 may lose on them. If it loses more, and more than chance explains, the layers"
        " that hurt most return to floating point until it does not.",
    )
    parity_tolerance: float = Field(
        default=1e-3,
        gt=0,
        description="Largest allowed difference of a probability between source and fp32 export. A larger one"
        " fails the asset: the export is wrong.",
    )
    seed: int = Field(default=0, ge=0, description="Seed of the row samples.")
