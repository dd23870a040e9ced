"""Knowledge distillation: students, and pruned models that are retrained from their original."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import torch
from torch import Tensor, nn
from transformers import AutoConfig, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput
from typing_extensions import override

from fakenews_assets.common.progress import report
from fakenews_assets.compression.pruning import measure_importance, prune
from fakenews_assets.compression.settings import (
    ENCODER_OF_STUDENT,
    LAYERS_OF_STUDENT,
    PRUNED,
    PruningSettings,
    RecoverySettings,
)
from fakenews_assets.compression.teacher import TeacherScores, score_rows
from fakenews_assets.models.encoders import load_encoder, resolve, weights_digest, with_cases
from fakenews_assets.models.predictions import with_headlines
from fakenews_assets.models.settings import EncoderSpec
from fakenews_assets.models.structure import even_layers, keep_layers, layers_of
from fakenews_assets.models.tokenization import ArticleEncoder, load_tokenizer
from fakenews_assets.training.finetuning.batches import ValidationBatches
from fakenews_assets.training.finetuning.finetuning import Start, fit
from fakenews_assets.training.finetuning.history import ProgressListener
from fakenews_assets.training.finetuning.module import TokenBatch
from fakenews_assets.training.finetuning.result import FinetuneResult, read_result
from fakenews_assets.training.finetuning.token_cache import tokenize_table
from fakenews_assets.training.settings import FinetuneSettings
from fakenews_resources.engine.in_process import OrderedMap, in_process


class Distillation(nn.Module):
    """Loss of a student, row by row.

    label_weight * CE(labels) + (1 - label_weight) * T^2 * KL(teacher / T || student / T)
    + hidden_weight * mean over layers of (1 - cosine of the first token's states)

    The first two terms are Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network" (2015); the
    cosine of hidden states is Sanh et al., "DistilBERT" (2019).
    """

    def __init__(
        self,
        teacher: TeacherScores,
        layers: Sequence[int],
        settings: RecoverySettings,
        *,
        width: int,
    ) -> None:
        """Bind the teacher's predictions.

        Args:
            teacher: scores of the training rows, one state per entry of `layers`.
            layers: the student's layers that are compared with those states.
            settings: weights and temperature.
            width: the student's hidden width; another one than the teacher's gets a learnt projection.
        """
        super().__init__()
        self.teacher = teacher
        self.layers = list(layers)
        self.settings = settings
        teacher_width = teacher.states.shape[-1]
        self.projection = (
            nn.Identity() if width == teacher_width else nn.Linear(width, teacher_width, bias=False)
        )

    @override
    def forward(self, label_losses: Tensor, output: SequenceClassifierOutput, batch: TokenBatch) -> Tensor:
        """Loss per row, float32 [batch]."""
        position = (batch["shown"].long().cpu(), batch["rows"].cpu())
        assert output.logits is not None
        assert output.hidden_states is not None
        device = output.logits.device
        temperature = self.settings.temperature
        divergence = nn.functional.kl_div(
            (output.logits.float() / temperature).log_softmax(dim=-1),
            (self.teacher.logits[position].to(device) / temperature).softmax(dim=-1),
            reduction="none",
        ).sum(dim=-1)
        states = torch.stack([output.hidden_states[layer + 1][:, 0] for layer in self.layers], dim=1)
        similarity = nn.functional.cosine_similarity(
            self.projection(states).float(), self.teacher.states[position].to(device).float(), dim=-1
        ).mean(dim=-1)
        share = self.settings.label_weight
        return (
            share * label_losses
            + (1 - share) * temperature**2 * divergence
            + self.settings.hidden_weight * (1 - similarity)
        )


def distill(
    student: str,
    teacher: Path,
    train: pl.DataFrame,
    val: pl.DataFrame,
    settings: PruningSettings,
    output: Path,
    work: Path,
    on_progress: ProgressListener | None = None,
    over: OrderedMap = in_process,
) -> FinetuneResult:
    """Distil a fine-tuned teacher into a smaller model.

    Args:
        student: `PRUNED` for the teacher itself, one of `STUDENTS`, or the id or folder of any other encoder.
            It is first pruned as `settings` says.
        teacher: folder that `finetune` wrote.
        train: columns `title`, `text` and `label`, as the teacher was trained on.
        val: the same; decides when to stop and which weights to keep.
        settings: the recipe.
        output: the student's folder, written as `finetune` writes its own.
        work: scratch that outlives a killed process; a repeated call resumes.
        on_progress: as in `finetune`.
        over: maps rows to the teacher's predictions.

    Raises:
        EncoderUnavailable: the student's pretrained weights are not available.
        CannotCut: the teacher is too shallow, or of another architecture.
        TrainingFailed: as in `finetune`.
    """
    recipe = _recipe(teacher, settings)
    model, encoder, origin = _first_weights(student, teacher, recipe)
    if settings.keep_heads < 1 or settings.keep_ffn < 1:
        report(note="measuring what heads and neurons are worth")
        batches = _importance_rows(train, encoder, settings, work)
        prune(model, measure_importance(model.eval(), batches), settings.keep_heads, settings.keep_ffn)

    depth, teacher_depth = _depth(model.config), _depth(AutoConfig.from_pretrained(teacher))
    compared = min(depth, teacher_depth)
    scores = score_rows(
        teacher,
        train,
        even_layers(teacher_depth, compared),
        work,
        with_texts=recipe.inputs == "title_and_text",
        over=over,
    )
    objective = Distillation(scores, even_layers(depth, compared), settings, width=model.config.hidden_size)
    identity = f"{origin}\n{scores.digest}\n{settings.model_dump_json()}"
    start = Start(model, encoder, hashlib.sha256(identity.encode()).hexdigest(), objective)
    return fit(start, train, val, recipe, output, work, on_progress)


def _recipe(teacher: Path, settings: RecoverySettings) -> FinetuneSettings:
    """The teacher's settings, with the training settings of the student."""
    own = read_result(teacher).settings.model_dump()
    shared = set(RecoverySettings.model_fields) & set(FinetuneSettings.model_fields)
    return FinetuneSettings.model_validate(own | settings.model_dump(include=shared) | {"pruning": 0.0})


def _first_weights(
    student: str, teacher: Path, recipe: FinetuneSettings
) -> tuple[PreTrainedModel, ArticleEncoder, str]:
    """Initial model, tokenizer, and a name for their origin."""
    if student == PRUNED or student in LAYERS_OF_STUDENT:
        model = load_encoder(teacher, dropout=recipe.dropout, attention_dropout=recipe.attention_dropout)
        if wanted := LAYERS_OF_STUDENT.get(student):
            keep_layers(model, even_layers(len(layers_of(model)), wanted))
        return model, ArticleEncoder.load(teacher), student
    source = resolve(EncoderSpec(name=ENCODER_OF_STUDENT.get(student, student)))
    encoder = ArticleEncoder(load_tokenizer(source), recipe.encoding)
    model = load_encoder(
        source, seed=recipe.seed, dropout=recipe.dropout, attention_dropout=recipe.attention_dropout
    )
    return model, with_cases(model, encoder), weights_digest(source)


def _importance_rows(
    train: pl.DataFrame, encoder: ArticleEncoder, settings: PruningSettings, work: Path
) -> ValidationBatches:
    rows = with_headlines(train.sample(min(settings.importance_rows, len(train)), seed=settings.seed))
    return ValidationBatches(
        tokenize_table(rows, encoder, work / "tokens"),
        rows["label"].cast(pl.Int64).to_numpy(),
        encoder,
        FinetuneSettings(max_tokens=encoder.settings.max_tokens, batch_size=settings.batch_size),
    )


def _depth(config: PreTrainedConfig) -> int:
    return int(config.num_hidden_layers)  # DistilBERT's own name for it is an alias
