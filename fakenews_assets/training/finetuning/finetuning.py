"""Fine-tunes an encoder on labelled articles."""

import hashlib
import json
import logging
import math
import platform
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import EarlyStopping
from transformers import PreTrainedModel

from fakenews_assets.common.hardware import bf16_pays, limit_torch_threads
from fakenews_assets.common.progress import report
from fakenews_assets.models.batching import steps_per_epoch
from fakenews_assets.models.encoders import (
    load_encoder,
    quiet_transformers,
    resolve,
    weights_digest,
    with_cases,
)
from fakenews_assets.models.tokenization import ArticleEncoder, load_tokenizer
from fakenews_assets.training.finetuning.batches import TrainingData, labels_of, require_both_labels
from fakenews_assets.training.finetuning.callbacks import (
    BestCheckpoint,
    OneShotPruning,
    Recorder,
    ResumeCheckpoint,
)
from fakenews_assets.training.finetuning.checkpoints import (
    AtomicCheckpointIO,
    encoder_weights,
    last_checkpoint,
    open_run,
)
from fakenews_assets.training.finetuning.history import (
    ProgressListener,
    RunRecord,
    TrainingFailed,
    ValidationPoint,
)
from fakenews_assets.training.finetuning.module import FakeNewsModule, Objective
from fakenews_assets.training.finetuning.result import RECORD_FILE, FinetuneResult
from fakenews_assets.training.finetuning.token_cache import cache_key, tokenize_table
from fakenews_assets.training.settings import NOT_THE_RESULT, FinetuneSettings


def finetune(
    train: pl.DataFrame,
    val: pl.DataFrame,
    settings: FinetuneSettings,
    output: Path,
    work: Path,
    on_progress: ProgressListener | None = None,
    *,
    start_from: Path | None = None,
) -> FinetuneResult:
    """Fine-tune, keep the weights of the best validation, and save them.

    Args:
        train: columns `title`, `text` and `label` (0 real, 1 fake), no nulls, already cleaned.
        val: the same, decides when to stop and which weights to keep.
        settings: settings of the run.
        output: the classifier's folder (weights as safetensors, tokenizer, encoding.json, training.json),
            for `load_classifier`. It appears complete or not at all; an earlier one is replaced.
        work: scratch that outlives a killed process. The same call with the same folder resumes from its last
            checkpoint, at most `checkpoint_every` steps back; other data or settings start over. Tokenised
            tables stay in `work/tokens`; checkpoints are removed at the end. Of processes that train together the
            first one writes the checkpoints, and all read them: where nodes have a folder each, pass `resume=False`
            or begin with empty ones.
        on_progress: called every few seconds and after every validation.
        start_from: folder of a classifier that `finetune` saved: continue from its weights, head included, in place of
            the pretrained encoder's. They stay the result, with `best.step` 0, if the training does not improve them.

    Raises:
        EncoderUnavailable: the pretrained weights are not here.
        TrainingFailed: the tables are unusable, the loss is non-finite, or the processes start differently.
    """
    source = start_from or resolve(settings.encoder)
    model = load_encoder(
        source,
        seed=settings.seed,
        dropout=settings.dropout,
        attention_dropout=settings.attention_dropout,
    )
    start = Start(
        model=model,
        encoder=with_cases(model, ArticleEncoder(load_tokenizer(source), settings.encoding)),
        digest=weights_digest(source),
        is_trained=start_from is not None,
    )
    return fit(start, train, val, settings, output, work, on_progress)


@dataclass(frozen=True)
class Start:
    """Initial state of a training."""

    model: PreTrainedModel
    """Two-class model, changed in place."""
    encoder: ArticleEncoder
    digest: str
    """Names everything that decides the model's first weights and its objective."""
    objective: Objective | None = None
    """What is minimised; None: the cross-entropy with the labels."""
    is_trained: bool = False
    """Whether the first weights classify already: they are kept if no validation is better than theirs."""


def fit(
    start: Start,
    train: pl.DataFrame,
    val: pl.DataFrame,
    settings: FinetuneSettings,
    output: Path,
    work: Path,
    on_progress: ProgressListener | None = None,
) -> FinetuneResult:
    """Train from any initial state; otherwise like `finetune`."""
    for name, frame in (("training", train), ("validation", val)):
        require_both_labels(name, frame)
    limit_torch_threads()
    encoder = start.encoder
    report(note="tokenizing")
    data = TrainingData(
        (tokenize_table(train, encoder, work / "tokens"), labels_of(train)),
        (tokenize_table(val, encoder, work / "tokens"), labels_of(val)),
        encoder,
        settings,
    )
    checkpoints = work / "checkpoints"
    identity = json.dumps(
        [
            settings.model_dump(mode="json", exclude=NOT_THE_RESULT),
            start.digest,
            *(
                cache_key(frame, encoder) + labels_of(frame).astype(np.int8).tobytes().hex()
                for frame in (train, val)
            ),
        ]
    )
    run = hashlib.sha256(identity.encode()).hexdigest()

    world_size = settings.devices * settings.num_nodes
    per_epoch = steps_per_epoch(len(train), settings.batch_size, world_size)
    module = FakeNewsModule(
        start.model, settings, total_steps=per_epoch * settings.epochs, objective=start.objective
    )
    best = BestCheckpoint(checkpoints)
    precision = "bf16" if _wants_bf16(settings) else "fp32"
    build_trainer = partial(
        Trainer,
        accelerator=settings.accelerator,
        devices=settings.devices,
        num_nodes=settings.num_nodes,
        strategy=settings.strategy,
        precision="bf16-mixed" if precision == "bf16" else "32-true",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,  # TrainingBatches shares out the rows itself
    )
    with TemporaryDirectory() as own, _quiet_lightning():
        first = None
        if start.is_trained:
            first = deepcopy(module.encoder.state_dict()), _validate(build_trainer, module, data)
        recorder = Recorder(Path(own) / "record.json", settings, module.total_steps, on_progress)
        trainer = build_trainer(
            max_epochs=settings.epochs,
            val_check_interval=max(1, per_epoch // settings.evaluations_per_epoch),
            callbacks=[
                recorder,
                EarlyStopping(
                    "val_monitored", mode="max", patience=settings.patience, check_on_train_epoch_end=False
                ),
                best,
                ResumeCheckpoint(checkpoints, settings.checkpoint_every, run),
                *([OneShotPruning(settings.pruning)] if settings.pruning else []),
            ],
            plugins=[AtomicCheckpointIO()],
            num_sanity_val_steps=0,
        )
        if trainer.is_global_zero:
            open_run(checkpoints, run)
        checkpoint = last_checkpoint(checkpoints, run) if settings.resume else None
        trainer.fit(module, data, ckpt_path=checkpoint, weights_only=True)
        record = RunRecord.model_validate_json(recorder.path.read_text())

    finite = [point for point in record.history.validation if math.isfinite(point.loss)]
    if first:
        finite.insert(0, first[1])
    if not finite:
        raise TrainingFailed(
            f"No validation had a finite loss in {record.steps} steps; lower learning_rate or raise warmup."
        )
    kept = max(finite, key=lambda point: point.monitored_metric(settings.keep))
    result = FinetuneResult(
        settings=settings,
        train_rows=len(train),
        val_rows=len(val),
        steps=record.steps,
        total_steps=module.total_steps,
        resumed_from_step=record.resumed_from_step,
        best=kept,
        history=record.history,
        seconds=record.seconds,
        rows_per_second=record.rows_per_second,
        precision=precision,
        start_sha256=start.digest,
        versions={"python": platform.python_version()}
        | {package: version(package) for package in ("torch", "transformers", "lightning")},
    )
    if trainer.is_global_zero:  # the others are done, and may not even see the checkpoints
        if first and kept is first[1]:
            module.encoder.load_state_dict(first[0])
        else:
            module.encoder.load_state_dict(encoder_weights(Path(best.best_model_path)))
        _save(module, encoder, result, output)
        shutil.rmtree(checkpoints)
    return result


def _validate(
    build_trainer: Callable[..., Trainer], module: FakeNewsModule, data: TrainingData
) -> ValidationPoint:
    """One validation before the first step."""
    # Tensors of an inference mode, such as the metrics' sums, could not be trained with afterwards.
    trainer = build_trainer(enable_checkpointing=False, inference_mode=False)
    (metrics,) = trainer.validate(module, data, verbose=False)
    return ValidationPoint(
        step=0,
        loss=metrics["val_loss"],
        accuracy=metrics["val_accuracy"],
        macro_f1=metrics["val_macro_f1"],
    )


def _save(module: FakeNewsModule, encoder: ArticleEncoder, result: FinetuneResult, output: Path) -> None:
    """Write the whole folder aside, then put it in place."""
    aside, replaced = (output.with_name(f".{output.name}.{end}") for end in ("partial", "replaced"))
    for leftover in (aside, replaced):  # of a process that was killed here
        shutil.rmtree(leftover, ignore_errors=True)
    with quiet_transformers():
        module.encoder.save_pretrained(aside)
    encoder.save(aside)
    (aside / RECORD_FILE).write_text(result.model_dump_json(indent=2) + "\n")
    if output.exists():
        output.rename(replaced)
    aside.rename(output)
    shutil.rmtree(replaced, ignore_errors=True)


def _wants_bf16(settings: FinetuneSettings) -> bool:
    if settings.precision == "auto":
        return bf16_pays(settings.accelerator)
    return settings.precision == "bf16"


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Keep Lightning's notes on hardware and loaders out of the log of whoever called."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            # TrainingBatches resumes by step and feeds ready-made tensors: neither the loader workers nor the
            # resumable-loader protocol that these ask for would do anything.
            warnings.filterwarnings("ignore", message=".*dataloader is not resumable.*")
            warnings.filterwarnings("ignore", message=".*does not have many workers.*")
            # The encoder leaves evaluation mode in FakeNewsModule.on_fit_start.
            warnings.filterwarnings("ignore", message=".*in eval mode at the start of training.*")
            warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
            # The folder of a resumed run is not empty.
            warnings.filterwarnings("ignore", message=".*exists and is not empty.*")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
