"""Lightning callbacks: progress, best weights, resumable checkpoints."""

import math
import time
from pathlib import Path
from typing import Any, Final

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint, ModelPruning
from torch import Tensor, nn
from typing_extensions import override

from fakenews_assets.common import progress
from fakenews_assets.training.finetuning.history import (
    Progress,
    ProgressListener,
    RunRecord,
    TrainingFailed,
    TrainingHistory,
    TrainingPoint,
    ValidationPoint,
)
from fakenews_assets.training.finetuning.module import TokenBatch
from fakenews_assets.training.settings import FinetuneSettings
from fakenews_resources.storage.durable import replace_text

POINT_EVERY: Final = 20
"""Steps averaged into one point of the training curve."""

REPORT_EVERY_SECONDS: Final = 2.0
"""Shortest time between two reports of progress, validations aside."""


class Recorder(Callback):
    """Keeps the curves, measures speed, and reports progress. Its state travels in the checkpoints.

    The record is written to a file at the end, because training may happen in child processes. All processes write the
    same one, that of the first: each node has one, whether it shares a folder with others or not.
    """

    def __init__(
        self,
        path: Path,
        settings: FinetuneSettings,
        total_steps: int,
        on_progress: ProgressListener | None = None,
    ) -> None:
        self.path = path
        self.settings = settings
        self.total_steps = total_steps
        self.on_progress = on_progress
        self._training: list[TrainingPoint] = []
        self._validation: list[ValidationPoint] = []
        self._rows = 0
        self._seconds = 0.0
        self._resumed_from_step = 0
        self._losses: list[Tensor] = []
        self._clock = 0.0
        self._reported = 0.0

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._resumed_from_step = trainer.global_step
        self._clock = time.perf_counter()

    @override
    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,  # Lightning's own union; training_step returns a dictionary
        batch: TokenBatch,
        batch_idx: int,
    ) -> None:
        self._tick()
        self._rows += len(batch["labels"]) * trainer.world_size
        self._losses.append(_over_all(trainer, outputs["row_loss"], len(batch["labels"])))
        if trainer.global_step % POINT_EVERY == 0 or trainer.global_step == self.total_steps:
            learning_rate = trainer.optimizers[0].param_groups[0]["lr"]
            loss = sum(loss.item() for loss in self._losses) / len(self._losses)
            self._training.append(
                TrainingPoint(step=trainer.global_step, loss=loss, learning_rate=learning_rate)
            )
            self._losses.clear()
        if self._clock - self._reported >= REPORT_EVERY_SECONDS:
            self._report(trainer)

    @override
    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._tick()

    @override
    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._clock = time.perf_counter()
        point = ValidationPoint(
            step=trainer.global_step,
            loss=trainer.callback_metrics["val_loss"].item(),
            accuracy=trainer.callback_metrics["val_accuracy"].item(),
            macro_f1=trainer.callback_metrics["val_macro_f1"].item(),
        )
        monitored = point.monitored_metric(self.settings.keep)
        is_best = math.isfinite(monitored) and not any(
            earlier.monitored_metric(self.settings.keep) >= monitored for earlier in self._validation
        )
        self._validation.append(point)
        self._report(trainer, point, is_best)

    @override
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        replace_text(self.path, trainer.strategy.broadcast(self._record(trainer).model_dump_json()))

    @override
    def state_dict(self) -> dict[str, Any]:
        return {
            "training": [point.model_dump() for point in self._training],
            "validation": [point.model_dump() for point in self._validation],
            "losses": [loss.item() for loss in self._losses],
            "rows": self._rows,
            "seconds": self._seconds,
        }

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._training = [TrainingPoint(**point) for point in state_dict["training"]]
        self._validation = [ValidationPoint(**point) for point in state_dict["validation"]]
        self._losses = [Tensor([loss]) for loss in state_dict["losses"]]
        self._rows, self._seconds = state_dict["rows"], state_dict["seconds"]

    def _record(self, trainer: Trainer) -> RunRecord:
        return RunRecord(
            steps=trainer.global_step,
            resumed_from_step=self._resumed_from_step,
            rows=self._rows,
            seconds=self._seconds,
            history=TrainingHistory(
                steps_per_epoch=self.total_steps // self.settings.epochs,
                training=self._training,
                validation=self._validation,
            ),
        )

    def _tick(self) -> None:
        now = time.perf_counter()
        self._seconds += now - self._clock
        self._clock = now

    def _report(
        self, trainer: Trainer, validation: ValidationPoint | None = None, is_best: bool = False
    ) -> None:
        if not trainer.is_global_zero:
            return
        self._reported = time.perf_counter()
        record = self._record(trainer)
        began = time.perf_counter()
        state = Progress(
            epoch=trainer.current_epoch + 1,
            epochs=self.settings.epochs,
            step=trainer.global_step,
            resumed_from_step=self._resumed_from_step,
            total_steps=self.total_steps,
            history=record.history,
            rows_per_second=record.rows_per_second,
            validation=validation,
            is_best=is_best,
        )
        progress.report(state.step, state.total_steps, "steps", str(state))
        if self.on_progress is not None:
            self.on_progress(state)
        self._clock += time.perf_counter() - began  # whoever listens is no part of the training


class BestCheckpoint(ModelCheckpoint):
    """Keeps the weights of the best validation, by `FinetuneSettings.keep`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            dirpath=folder,
            filename="best-{step}",
            monitor="val_monitored",
            mode="max",
            save_top_k=1,
            save_weights_only=True,
            save_on_train_epoch_end=False,
        )

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the best of an earlier run, unless a kill fell between its successor and the next checkpoint.

        Then its file is gone, and the resumed run will soon evaluate the successor again.
        """
        if Path(state_dict["best_model_path"]).is_file():
            super().load_state_dict(state_dict)


class ResumeCheckpoint(Checkpoint):
    """Saves the whole state of the run every few steps, in one file that is always complete.

    The first process writes it, and each reads it: where nodes share no folder, the others have none.
    """

    def __init__(self, folder: Path, every_steps: int, run: str) -> None:
        """Bind the folder.

        Args:
            folder: where the file lies.
            every_steps: steps between two files.
            run: names everything that decides the result, as in `open_run`.
        """
        self.folder = folder
        self.every_steps = every_steps
        self.run = run
        self._saved_step = 0

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check that all processes start from the same step with the same settings.

        Raises:
            TrainingFailed: they differ; raised in all of them.
        """
        self._saved_step = trainer.global_step
        run, step = trainer.strategy.broadcast((self.run, self._saved_step))
        if not trainer.strategy.reduce_boolean_decision(run == self.run):
            raise TrainingFailed(
                "The nodes have different settings, articles or pretrained weights. Give all of them the same."
            )
        if not trainer.strategy.reduce_boolean_decision(step == self._saved_step):
            raise TrainingFailed(
                f"The nodes resume from different steps, the first one from step {step}: they do not share the folder of"
                " the checkpoints. Let them share it, or set resume to false."
            )

    @override
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: TokenBatch, batch_idx: int
    ) -> None:
        # Resumed from a step that a validation follows, Lightning would leave that validation out.
        validation_follows = trainer.is_last_batch or (batch_idx + 1) % (trainer.val_check_batch or 1) == 0
        if validation_follows or trainer.global_step - self._saved_step < self.every_steps:
            return
        trainer.save_checkpoint(self.path(trainer.global_step))
        self.path(self._saved_step).unlink(missing_ok=True)
        self._saved_step = trainer.global_step

    def path(self, step: int) -> Path:
        """Where the state after a step is kept."""
        return self.folder / f"resume-{step}.ckpt"


class OneShotPruning(ModelPruning):
    """Lightning's unstructured pruning, applied once.

    ModelPruning prunes again after every epoch, so its share compounds, and it forgets its masks when a run
    resumes. Here the smallest weights go before the first step and all of training is recovery. A resumed run
    does the same: its smallest weights are the zeros it was saved with, hence the same mask.
    """

    def __init__(self, share: float) -> None:
        super().__init__(
            "l1_unstructured",
            parameter_names=["weight"],
            amount=share,
            apply_pruning=False,
            use_lottery_ticket_hypothesis=False,
        )

    @override
    def filter_parameters_to_prune(self, parameters_to_prune: Any = ()) -> list[tuple[nn.Module, str]]:
        """Linear layers only: embeddings and normalisation are not what pruning is about."""
        return [(module, name) for module, name in parameters_to_prune if isinstance(module, nn.Linear)]

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(self.amount, float)
        self.apply_pruning(self.amount)


def _over_all(trainer: Trainer, mean: Tensor, rows: int) -> Tensor:
    """Mean over the rows of all processes, from each one's mean over its own."""
    if trainer.world_size == 1:
        return mean
    totals = trainer.strategy.reduce(torch.stack([mean * rows, torch.full_like(mean, rows)]), reduce_op="sum")
    assert isinstance(totals, Tensor)
    return totals[0] / totals[1]
