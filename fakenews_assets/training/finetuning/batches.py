"""Lightning data modules of a training."""

from collections.abc import Callable, Iterator

import numpy as np
import polars as pl
import torch
from lightning.pytorch import LightningDataModule
from numpy.typing import NDArray

from fakenews_assets.models.batching import budget_batches, plan_epoch, steps_per_epoch
from fakenews_assets.models.token_layout import TokenTable
from fakenews_assets.models.tokenization import ArticleEncoder
from fakenews_assets.training.finetuning.history import TrainingFailed
from fakenews_assets.training.finetuning.module import TokenBatch
from fakenews_assets.training.settings import FinetuneSettings


class TrainingBatches:
    """Training batches from the step that a run has reached; one iteration is the rest of one epoch.

    What an epoch shows is a function of seed and epoch, so nothing but the step is needed to resume.
    """

    def __init__(
        self,
        table: TokenTable,
        labels: NDArray[np.int64],
        encoder: ArticleEncoder,
        settings: FinetuneSettings,
        *,
        steps_done: Callable[[], int],
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        """Bind the rows.

        Args:
            table: rows to train on.
            labels: 0 real, 1 fake, shape [rows].
            encoder: lays out the rows.
            settings: batch size, seed, and the share of dropped texts.
            steps_done: asked at the start of an iteration; a whole number of epochs starts the next one.
            rank: this process among `world_size`.
            world_size: processes that train together.
        """
        self.table = table
        self.labels = labels
        self.encoder = encoder
        self.settings = settings
        self.steps_done = steps_done
        self.rank = rank
        self.world_size = world_size

    def __len__(self) -> int:
        return steps_per_epoch(len(self.labels), self.settings.batch_size, self.world_size)

    def __iter__(self) -> Iterator[TokenBatch]:
        epoch, done = divmod(self.steps_done(), len(self))
        with_text = self.shows_text(epoch)
        plan = plan_epoch(
            self.encoder.lengths(self.table, with_text),
            self.settings.batch_size,
            seed=self.settings.seed,
            epoch=epoch,
            rank=self.rank,
            world_size=self.world_size,
        )
        for rows in plan[done:]:
            batch = _tensors(self.encoder.batch(self.table, rows, with_text), self.labels[rows])
            yield batch | {"rows": torch.from_numpy(rows), "shown": torch.from_numpy(with_text[rows])}

    def shows_text(self, epoch: int) -> NDArray[np.bool_]:
        """Rows that show their text in an epoch, shape [rows]."""
        rng = np.random.default_rng([self.settings.seed, epoch, 1])
        return rng.random(len(self.labels)) >= self.settings.drop_text


class ValidationBatches:
    """Validation batches, the same in every pass: every row once, with its text where the model reads it."""

    def __init__(
        self,
        table: TokenTable,
        labels: NDArray[np.int64],
        encoder: ArticleEncoder,
        settings: FinetuneSettings,
        *,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.table = table
        self.labels = labels
        self.encoder = encoder
        plan = budget_batches(
            encoder.lengths(table),
            max_tokens=settings.batch_size * settings.max_tokens,
            max_rows=4 * settings.batch_size,
        )
        self.plan = plan[rank::world_size]

    def __len__(self) -> int:
        return len(self.plan)

    def __iter__(self) -> Iterator[TokenBatch]:
        for rows in self.plan:
            yield _tensors(self.encoder.batch(self.table, rows), self.labels[rows])


class TrainingData(LightningDataModule):
    """Training and validation batches, divided among the processes of the trainer."""

    def __init__(
        self,
        train: tuple[TokenTable, NDArray[np.int64]],
        val: tuple[TokenTable, NDArray[np.int64]],
        encoder: ArticleEncoder,
        settings: FinetuneSettings,
    ) -> None:
        super().__init__()
        self.train = train
        self.val = val
        self.encoder = encoder
        self.settings = settings

    def train_dataloader(self) -> TrainingBatches:
        trainer = self.trainer
        assert trainer is not None
        return TrainingBatches(
            *self.train,
            self.encoder,
            self.settings,
            steps_done=lambda: trainer.global_step,
            rank=trainer.global_rank,
            world_size=trainer.world_size,
        )

    def val_dataloader(self) -> ValidationBatches:
        trainer = self.trainer
        assert trainer is not None
        return ValidationBatches(
            *self.val, self.encoder, self.settings, rank=trainer.global_rank, world_size=trainer.world_size
        )


def _tensors(inputs: dict[str, NDArray[np.int64]], labels: NDArray[np.int64]) -> TokenBatch:
    batch = {name: torch.from_numpy(values) for name, values in inputs.items()}
    batch["labels"] = torch.from_numpy(labels)
    return batch


def labels_of(frame: pl.DataFrame) -> NDArray[np.int64]:
    """The labels of articles, shape (rows,)."""
    return frame.get_column("label").cast(pl.Int64).to_numpy()


def require_both_labels(name: str, frame: pl.DataFrame) -> None:
    """Raises TrainingFailed, which names the rows, unless both labels and no others are there."""
    found = set(frame.get_column("label").unique().to_list())
    if found != {0, 1}:
        raise TrainingFailed(
            f"The {name} rows must hold both labels, 0 (real) and 1 (fake), and no other; found"
            f" {sorted(found, key=str)} in {len(frame)} rows. Check the split, and filter out unlabelled articles."
        )
