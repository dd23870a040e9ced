"""A fine-tuned encoder behind the common interface, run by torch: the reference of every other runtime."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from transformers import PreTrainedModel

from fakenews_assets.training.batching import budget_batches
from fakenews_assets.training.classifier import Article, Predictions
from fakenews_assets.training.encoders import load_encoder
from fakenews_assets.training.machine import limit_torch_threads
from fakenews_assets.training.tokenization import ArticleEncoder


class TorchClassifier:
    """Predicts in batches of similar length and answers in the order asked."""

    def __init__(
        self,
        model: PreTrainedModel,
        encoder: ArticleEncoder,
        *,
        name: str = "finetuned",
        precision: Literal["fp32", "bf16"] = "fp32",
        batch_rows: int = 64,
        batch_tokens: int = 4096,
    ) -> None:
        """Wrap a loaded model.

        Args:
            model: two-class model, on the device where it shall run.
            encoder: tokenizer and layout that it was trained with.
            name: for tables and logs.
            precision: fp32 is exact; bf16 computes under autocast, worth it where the hardware has it.
            batch_rows: most rows per batch.
            batch_tokens: most padded tokens per batch; bounds the memory that long articles take.
        """
        self.model = model.eval()
        self.encoder = encoder
        self.name = name
        self.precision = precision
        self.batch_rows = batch_rows
        self.batch_tokens = batch_tokens

    @classmethod
    def load(
        cls,
        folder: Path,
        *,
        name: str = "finetuned",
        precision: Literal["fp32", "bf16"] = "fp32",
        device: str = "cpu",
    ) -> "TorchClassifier":
        """Load a folder that `finetune` wrote, or any other with model, tokenizer and encoding.json."""
        limit_torch_threads()
        model = load_encoder(folder).to(device)  # pyright: ignore[reportArgumentType] - transformers' decorator
        return cls(model, ArticleEncoder.load(folder), name=name, precision=precision)

    def predict(self, articles: Sequence[Article]) -> Predictions:
        """Judge articles; the probability of fake is the softmax of the two logits."""
        table = self.encoder.encode(articles)
        probability = np.zeros(len(articles), dtype=np.float32)
        batches = budget_batches(
            self.encoder.lengths(table), max_tokens=self.batch_tokens, max_rows=self.batch_rows
        )
        device = self.model.device
        with (
            torch.inference_mode(),
            torch.autocast(device.type, torch.bfloat16, enabled=self.precision == "bf16"),
        ):
            for rows in batches:
                inputs = {
                    name: torch.from_numpy(values).to(device)
                    for name, values in self.encoder.batch(table, rows).items()
                }
                logits = self.model(**inputs).logits.float()
                probability[rows] = logits.softmax(dim=-1)[:, 1].cpu().numpy()
        return Predictions.from_probability(probability)
