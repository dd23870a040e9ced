"""The Lightning module: optimisation step and validation metrics."""

from typing import Final, Protocol

import numpy as np
import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.types import LRSchedulerConfigType, OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score
from transformers import PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput
from typing_extensions import override

from fakenews_assets.training.finetuning.history import ValidationPoint
from fakenews_assets.training.settings import FinetuneSettings

TokenBatch = dict[str, Tensor]
"""`labels` int64 [batch] and the encoder's inputs, int64 [batch, tokens]. Training batches also name their rows
in the training table, `rows` int64 [batch], and whether each shows its text, `shown` bool [batch]."""

_NOT_INPUTS: Final = frozenset({"labels", "rows", "shown"})


class Objective(Protocol):
    """A loss other than the labels' cross-entropy. An nn.Module, if it has weights."""

    def __call__(self, label_losses: Tensor, output: SequenceClassifierOutput, batch: TokenBatch) -> Tensor:
        """Loss per row, float32 [batch], from the cross-entropy with the labels, float32 [batch], and the
        encoder's answer with its hidden states."""
        ...


def encoder_inputs(batch: TokenBatch) -> dict[str, Tensor]:
    """The part of a batch that the encoder reads."""
    return {name: values for name, values in batch.items() if name not in _NOT_INPUTS}


FUSED_ATTENTION_FROM: Final = 192
"""Tokens from which torch's fused attention pays on a CPU: its backward pass costs a third of a step at 20 tokens
(measured with torch 2.13, bfloat16, MiniLM: plain attention is 1.4 times as fast up to 128, slower at 256)."""


class FakeNewsModule(LightningModule):
    """An encoder with a two-class head, AdamW, warm-up and linear decay.

    Logs `val_loss`, `val_accuracy`, `val_macro_f1` and `val_monitored`; `training_step` returns the batch's mean loss as
    `row_loss` beside the loss that is minimised.
    """

    def __init__(
        self,
        encoder: PreTrainedModel,
        settings: FinetuneSettings,
        total_steps: int,
        objective: Objective | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.objective = objective
        self.settings = settings
        self.total_steps = total_steps
        self.val_loss = MeanMetric(nan_strategy="disable")  # else it drops them, and divergence looks fine
        self.val_accuracy = MulticlassAccuracy(num_classes=2, average="micro")
        self.val_macro_f1 = MulticlassF1Score(num_classes=2, average="macro")

    @override
    def on_fit_start(self) -> None:
        """Switch dropout on: from_pretrained returns evaluation mode, and Lightning keeps what it finds."""
        self.encoder.train()

    @override
    def on_train_batch_start(self, batch: TokenBatch, batch_idx: int) -> None:
        """Make dropout a function of seed, step and process: a resumed run repeats the run never killed."""
        place = np.random.SeedSequence((self.settings.seed, self.global_rank, self.global_step))
        torch.manual_seed(int(place.generate_state(1, np.uint64)[0]))

    @override
    def training_step(self, batch: TokenBatch, batch_idx: int) -> dict[str, Tensor]:
        """Return `loss`, to be minimised, and `row_loss`, the mean over the batch's rows.

        The sum over rows is divided by the mean batch size, not by the size of this batch: batches of short
        rows are larger, and a row must not weigh less for sharing one.
        """
        output = self._answer(batch, hidden_states=self.objective is not None)
        row_losses = nn.functional.cross_entropy(_logits(output), batch["labels"], reduction="none")
        if self.objective is not None:
            row_losses = self.objective(row_losses, output, batch)
        return {"loss": row_losses.sum() / self.settings.batch_size, "row_loss": row_losses.detach().mean()}

    @override
    def validation_step(self, batch: TokenBatch, batch_idx: int) -> None:
        logits, labels = _logits(self._answer(batch)), batch["labels"]
        self.val_loss.update(nn.functional.cross_entropy(logits, labels, reduction="none"))
        self.val_accuracy.update(logits, labels)
        self.val_macro_f1.update(logits, labels)
        metrics = {
            "val_loss": self.val_loss,
            "val_accuracy": self.val_accuracy,
            "val_macro_f1": self.val_macro_f1,
        }
        self.log_dict(metrics, on_step=False, on_epoch=True, batch_size=len(labels))

    @override
    def on_validation_epoch_end(self) -> None:
        """Log `val_monitored`, by which the weights to keep are chosen."""
        point = ValidationPoint(
            step=self.global_step,
            loss=self.val_loss.compute().item(),
            accuracy=self.val_accuracy.compute().item(),
            macro_f1=self.val_macro_f1.compute().item(),
        )
        self.log("val_monitored", point.monitored_metric(self.settings.keep))

    @override
    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Fused AdamW without decay on biases and normalisation; linear warm-up, then linear decay to 0."""
        parameters = [parameter for parameter in self.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(
            [
                {"params": [p for p in parameters if p.ndim > 1], "weight_decay": self.settings.weight_decay},
                {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
            ],
            lr=self.settings.learning_rate,
            fused=True,
        )
        warmup_steps = round(self.settings.warmup * self.total_steps)

        def share_of_peak(step: int) -> float:
            if step < warmup_steps:
                return (step + 1) / (warmup_steps + 1)
            return max(0.0, (self.total_steps - step) / max(1, self.total_steps - warmup_steps))

        scheduler = LRSchedulerConfigType(scheduler=LambdaLR(optimizer, share_of_peak), interval="step")
        return OptimizerLRSchedulerConfig(optimizer=optimizer, lr_scheduler=scheduler)

    @override
    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip here: Lightning refuses to clip for a fused optimizer, for a reason that is float16's alone."""
        nn.utils.clip_grad_norm_(self.parameters(), self.settings.gradient_clip)

    def _answer(self, batch: TokenBatch, hidden_states: bool = False) -> SequenceClassifierOutput:
        if self.device.type == "cpu":
            tokens = batch["input_ids"].shape[1]
            self.encoder.set_attn_implementation("eager" if tokens < FUSED_ATTENTION_FROM else "sdpa")
        return self.encoder(**encoder_inputs(batch), output_hidden_states=hidden_states)


def _logits(output: SequenceClassifierOutput) -> Tensor:
    """Float32 logits [batch, 2], whatever precision computed them."""
    assert output.logits is not None
    return output.logits.float()
