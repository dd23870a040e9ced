"""The teacher's predictions and hidden states of the training rows, computed once and cached."""

import hashlib
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoConfig, PreTrainedModel

from fakenews_assets.common import progress
from fakenews_assets.common.hardware import bf16_pays, limit_torch_threads
from fakenews_assets.models.batching import budget_batches
from fakenews_assets.models.encoders import load_encoder, weights_digest
from fakenews_assets.models.runtimes.encoder import EncoderInputs
from fakenews_assets.models.tokenization import ArticleEncoder
from fakenews_assets.training.finetuning.token_cache import cache_key, tokenize_table
from fakenews_resources.engine.in_process import OrderedMap, ShippedFolder, in_process

_FORMAT: Final = 1
"""Raise when the meaning of the tensors below changes."""

_BATCH_ROWS: Final = 128
_BATCH_TOKENS: Final = 8192


@dataclass(frozen=True)
class TeacherScores:
    """A teacher's predictions of the training rows.

    First axis: 0 for the title alone, 1 for the title with its text.
    """

    logits: Tensor
    """float32 [2, rows, 2]."""
    states: Tensor
    """Hidden state of the first token after each of the layers asked for, float16 [2, rows, layers, width]."""
    digest: str
    """Identifies teacher, rows and layers."""


def score_rows(
    teacher: Path,
    train: pl.DataFrame,
    layers: Sequence[int],
    work: Path,
    *,
    with_texts: bool,
    over: OrderedMap = in_process,
) -> TeacherScores:
    """Predict every training row with the teacher, or read the cached result.

    Args:
        teacher: folder of a fine-tuned classifier.
        train: columns `title` and `text`.
        layers: indices of the teacher's layers whose states are wanted, if any.
        work: folder for the stored scores and tokens.
        with_texts: whether students read texts; if not, both entries of the first axis are the same.
        over: maps rows to predictions; this process tokenises and caches.
    """
    encoder = ArticleEncoder.load(teacher)
    identity = [_FORMAT, weights_digest(teacher), cache_key(train, encoder), list(layers), with_texts]
    digest = hashlib.sha256(repr(identity).encode()).hexdigest()[:32]
    path = work / f"teacher-{digest}.safetensors"
    if not path.is_file():
        views = (False, True) if with_texts else (False,)
        tensors = _score(teacher, encoder, train, layers, work, views, over)
        aside = path.with_suffix(f".{uuid.uuid4().hex}.partial")
        save_file(tensors, aside)
        aside.replace(path)
        for outdated in set(work.glob("teacher-*.safetensors")) - {path}:
            outdated.unlink()
    stored = load_file(path)
    logits, states = (stored[name].expand(2, *stored[name].shape[1:]) for name in ("logits", "states"))
    return TeacherScores(logits=logits, states=states, digest=digest)


def _score(
    teacher: Path,
    encoder: ArticleEncoder,
    train: pl.DataFrame,
    layers: Sequence[int],
    work: Path,
    views: Sequence[bool],
    over: OrderedMap,
) -> dict[str, Tensor]:
    """What `TeacherScores` holds, with one entry a view on the first axis."""
    table = tokenize_table(train, encoder, work / "tokens")
    shown = [np.full(len(train), view) for view in views]
    plan = [
        (view, rows)
        for view in range(len(views))
        for rows in budget_batches(
            encoder.lengths(table, shown[view]), max_tokens=_BATCH_TOKENS, max_rows=_BATCH_ROWS
        )
    ]
    width = AutoConfig.from_pretrained(teacher).hidden_size
    logits = torch.zeros(len(views), len(train), 2)
    states = torch.zeros(len(views), len(train), len(layers), width, dtype=torch.float16)
    answers = over(
        # What pays is measured once: two machines that round differently would not agree.
        partial(_asked, ShippedFolder(teacher), tuple(layers), bf16_pays("cpu")),
        (encoder.batch(table, rows, shown[view]) for view, rows in plan),
    )
    progress.report(0, len(views) * len(train), "articles", "scoring with the teacher")
    for (view, rows), (said, seen) in zip(plan, answers, strict=True):
        places = torch.from_numpy(rows)
        logits[view, places] = torch.from_numpy(said)
        states[view, places] = torch.from_numpy(seen)
        progress.advance(len(rows))
    return {"logits": logits, "states": states}


_Answer = tuple[NDArray[np.float32], NDArray[np.float16]]
"""Logits [batch, 2] and states [batch, layers, width]."""


def _asked(teacher: ShippedFolder, layers: Sequence[int], bf16: bool) -> Callable[[EncoderInputs], _Answer]:
    limit_torch_threads()
    return partial(_answer, load_encoder(teacher.path).eval(), layers, bf16)


def _answer(model: PreTrainedModel, layers: Sequence[int], bf16: bool, inputs: EncoderInputs) -> _Answer:
    # Copied: arrays from another process cannot be written to, of which torch would warn.
    tensors = {name: torch.tensor(values) for name, values in inputs.items()}
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        answer = model(**tensors, output_hidden_states=True)
    # Entry 0 of the hidden states is the embedding.
    first_tokens = torch.stack([states[:, 0] for states in answer.hidden_states[1:]], dim=1)
    return answer.logits.float().numpy(), first_tokens[:, list(layers)].half().numpy()
