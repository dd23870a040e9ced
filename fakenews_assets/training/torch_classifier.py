"""A fine-tuned encoder behind the common interface, run by torch: the reference of every other runtime."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel
from typing_extensions import override

from fakenews_assets.machine import limit_torch_threads
from fakenews_assets.training.encoder_classifier import EncoderClassifier, EncoderInputs
from fakenews_assets.training.encoders import load_encoder
from fakenews_assets.training.tokenization import ArticleEncoder


class TorchClassifier(EncoderClassifier):
    """Predicts with torch, exactly (fp32) or under bfloat16 autocast."""

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
            batch_rows: as in `EncoderClassifier`.
            batch_tokens: as in `EncoderClassifier`.
        """
        super().__init__(encoder, name=name, batch_rows=batch_rows, batch_tokens=batch_tokens)
        self.model = model.eval()
        self.precision = precision

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

    @override
    def logits(self, batches: Iterable[EncoderInputs]) -> Iterator[NDArray[np.float32]]:
        device = self.model.device
        for batch in batches:
            inputs = {name: torch.from_numpy(values).to(device) for name, values in batch.items()}
            with (
                torch.inference_mode(),
                torch.autocast(device.type, torch.bfloat16, enabled=self.precision == "bf16"),
            ):
                logits = self.model(**inputs).logits
            yield logits.float().cpu().numpy()
