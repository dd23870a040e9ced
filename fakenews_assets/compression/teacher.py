"""What a teacher says of every training row, computed once and kept."""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import PreTrainedModel

from fakenews_assets.machine import bf16_pays, limit_torch_threads
from fakenews_assets.training.batching import budget_batches
from fakenews_assets.training.encoders import load_encoder, weights_digest
from fakenews_assets.training.token_cache import cache_key, tokenize_table
from fakenews_assets.training.tokenization import ArticleEncoder

_FORMAT: Final = 1
"""Raise when the meaning of the tensors below changes."""

_BATCH_ROWS: Final = 128
_BATCH_TOKENS: Final = 8192


@dataclass(frozen=True)
class TeacherScores:
    """A teacher's opinion of the training rows.

    The first axis is what the teacher saw: 0 the title alone, 1 the title with its text.
    """

    logits: Tensor
    """float32 [2, rows, 2]."""
    states: Tensor
    """Hidden state of the first token after each of the layers asked for, float16 [2, rows, layers, width]."""
    digest: str
    """Names teacher, rows and layers."""


def score_rows(
    teacher: Path,
    train: pl.DataFrame,
    layers: Sequence[int],
    work: Path,
    *,
    with_texts: bool,
    on_progress: Callable[[int, int], None] | None = None,
) -> TeacherScores:
    """Ask the teacher about every training row, or read what an earlier call stored.

    Args:
        teacher: folder of a fine-tuned classifier.
        train: columns `title` and `text`.
        layers: indices of the teacher's layers whose states are wanted.
        work: folder for the stored scores and tokens.
        with_texts: whether students will see texts at all; without, both entries of the first axis are one.
        on_progress: called with rows done and rows in all.
    """
    encoder = ArticleEncoder.load(teacher)
    identity = [_FORMAT, weights_digest(teacher), cache_key(train, encoder), list(layers), with_texts]
    digest = hashlib.sha256(repr(identity).encode()).hexdigest()[:32]
    path = work / f"teacher-{digest}.safetensors"
    if not path.is_file():
        limit_torch_threads()
        model = load_encoder(teacher).eval()
        views = (False, True) if with_texts else (False,)
        scored = [
            _score(model, encoder, train, layers, work, view, _shifted(on_progress, index, len(views)))
            for index, view in enumerate(views)
        ]
        tensors = {
            "logits": torch.stack([logits for logits, _ in scored]),
            "states": torch.stack([states for _, states in scored]),
        }
        aside = path.with_suffix(f".{os.getpid()}.partial")
        save_file(tensors, aside)
        aside.replace(path)
        for outdated in set(work.glob("teacher-*.safetensors")) - {path}:
            outdated.unlink()
    stored = load_file(path)
    logits, states = (stored[name].expand(2, *stored[name].shape[1:]) for name in ("logits", "states"))
    return TeacherScores(logits=logits, states=states, digest=digest)


def _score(
    model: PreTrainedModel,
    encoder: ArticleEncoder,
    train: pl.DataFrame,
    layers: Sequence[int],
    work: Path,
    with_text: bool,
    on_progress: Callable[[int, int], None] | None,
) -> tuple[Tensor, Tensor]:
    table = tokenize_table(train, encoder, work / "tokens")
    shown = np.full(len(train), with_text)
    logits = torch.zeros(len(train), 2)
    states = torch.zeros(len(train), len(layers), model.config.hidden_size, dtype=torch.float16)
    done = 0
    batches = budget_batches(encoder.lengths(table, shown), max_tokens=_BATCH_TOKENS, max_rows=_BATCH_ROWS)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bf16_pays("cpu")):
        for rows in batches:
            inputs = {
                name: torch.from_numpy(values) for name, values in encoder.batch(table, rows, shown).items()
            }
            answer = model(**inputs, output_hidden_states=True)
            places = torch.from_numpy(rows)
            logits[places] = answer.logits.float()
            # Entry 0 of the hidden states is the embedding.
            first_tokens = [answer.hidden_states[layer + 1][:, 0].float() for layer in layers]
            states[places] = torch.stack(first_tokens, dim=1).half()
            done += len(rows)
            if on_progress:
                on_progress(done, len(train))
    return logits, states


def _shifted(
    on_progress: Callable[[int, int], None] | None, index: int, parts: int
) -> Callable[[int, int], None] | None:
    if on_progress is None:
        return None
    return lambda done, total: on_progress(index * total + done, parts * total)
