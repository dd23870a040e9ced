"""Every choice of the compression recipes, in plain records: nothing here needs a heavy library."""

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
"""The candidate that is the teacher itself, cut and recovered."""

STUDENTS: Final = (*LAYERS_OF_STUDENT, *ENCODER_OF_STUDENT)


class RecoverySettings(BaseModel):
    """How a smaller model learns from its teacher."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: float = Field(
        default=2.0, gt=0, description="Softens teacher and student alike before they are compared."
    )
    label_weight: float = Field(
        default=0.3,
        ge=0,
        le=1,
        description="Share of the true labels in the loss; the rest is the teacher's opinion.",
    )
    hidden_weight: float = Field(
        default=1.0,
        ge=0,
        description="Weight of the match between hidden states, as one minus the cosine of the first token's.",
    )
    epochs: int = Field(
        default=6,
        ge=1,
        description="Passes over the training rows, at most. A student gains from more of them than its teacher.",
    )
    learning_rate: float = Field(default=1.5e-4, gt=0, description="Peak learning rate, after warm-up.")
    batch_size: int = Field(default=32, ge=1, description="Mean rows per batch and process.")
    patience: int = Field(
        default=6, ge=1, description="Evaluations without a better macro-F1 before stopping."
    )
    checkpoint_every: int = Field(default=200, ge=1, description="Steps between resumable checkpoints.")
    seed: int = Field(default=0, ge=0, description="Decides the order of rows, dropout and new weights.")


class PruningSettings(RecoverySettings):
    """How much of a model is cut away, and how the rest recovers."""

    keep_heads: float = Field(
        default=0.5, gt=0, le=1, description="Share of the attention heads kept in each layer, at least one."
    )
    keep_ffn: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="Share of the feed-forward width kept in each layer, rounded up to a multiple of 32, which"
        " is what vector units like.",
    )
    importance_rows: int = Field(
        default=1024, ge=1, description="Training rows that decide what matters; drawn with the seed."
    )


class DistillationSettings(PruningSettings):
    """How a student is made of its teacher."""

    keep_heads: float = Field(
        default=1.0, gt=0, le=1, description="Below 1 the student starts with only its most useful heads."
    )
    keep_ffn: float = Field(
        default=1.0, gt=0, le=1, description="Below 1 the student starts with a narrower feed-forward part."
    )


class QuantizationSettings(BaseModel):
    """How a trained model is exported and made int8."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    calibration_rows: int = Field(
        default=300, ge=1, description="Training rows that set the ranges of activations."
    )
    validation_rows: int = Field(
        default=1000, ge=1, description="Validation rows on which the int8 model is compared with its source."
    )
    max_drop_points: float = Field(
        default=0.5,
        ge=0,
        description="Macro-F1 points that int8 may lose on them. Beyond, the layers that hurt most go back to"
        " floating point until it does not.",
    )
    parity_tolerance: float = Field(
        default=1e-3,
        gt=0,
        description="Largest difference of a probability between source and fp32 export; beyond, the export is"
        " wrong and nothing is quantized.",
    )
    seed: int = Field(default=0, ge=0, description="Draws the rows.")
