"""The torch classifier: the reference for every other runtime."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel
from typing_extensions import override

from fakenews_assets.common.hardware import limit_torch_threads
from fakenews_assets.models.encoders import load_encoder
from fakenews_assets.models.runtimes.encoder import EncoderClassifier, EncoderInputs, Output
from fakenews_assets.models.tokenization import ArticleEncoder


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
    def run(
        self, batches: Iterable[EncoderInputs], *outputs: Output
    ) -> Iterator[tuple[NDArray[np.float32], ...]]:
        device = self.model.device
        for batch in batches:
            inputs = {name: torch.from_numpy(values).to(device) for name, values in batch.items()}
            with (
                torch.inference_mode(),
                torch.autocast(device.type, torch.bfloat16, enabled=self.precision == "bf16"),
            ):
                # All hidden states are kept only if asked for: they take memory.
                answer = self.model(**inputs, output_hidden_states="embedding" in outputs)
                found: dict[Output, Tensor] = {"logits": answer.logits}
                if "embedding" in outputs:
                    states = answer.hidden_states[-1]
                    found["embedding"] = mean_of_tokens(states, inputs["attention_mask"])
            yield tuple(found[output].float().cpu().numpy() for output in outputs)


def mean_of_tokens(states: Tensor, mask: Tensor) -> Tensor:
    """Mean over the tokens that are no padding, in float32.

    Args:
        states: last hidden state, [batch, tokens, hidden].
        mask: 1 for a token and 0 for padding, [batch, tokens]; every row has a token.

    Returns:
        Shape [batch, hidden].
    """
    weights = mask.unsqueeze(-1).float()
    return (states.float() * weights).sum(1) / weights.sum(1)
