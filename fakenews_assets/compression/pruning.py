"""Structured pruning of attention heads and feed-forward neurons by importance."""

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from fakenews_assets.models.structure import (
    WIDTH_MULTIPLE,
    block_of,
    head_size,
    keep_heads,
    keep_width,
    layers_of,
)
from fakenews_assets.training.finetuning.module import TokenBatch, encoder_inputs


@dataclass(frozen=True)
class Importance:
    """Estimated effect of each part on the loss, summed over rows; one tensor per layer."""

    heads: list[Tensor]
    """float32 [heads]."""
    neurons: list[Tensor]
    """float32 [feed-forward width]."""


def measure_importance(model: PreTrainedModel, batches: Iterable[TokenBatch]) -> Importance:
    """First-order estimate of each part's effect on the loss, on labelled rows.

    A part multiplied by a gate g contributes |dL/dg| at g = 1, taken row by row (Michel, Levy and Neubig, "Are
    Sixteen Heads Really Better than One?", 2019, for heads; Molchanov et al., "Importance Estimation for Neural
    Network Pruning", 2019, for neurons). That derivative is the inner product of the part's activation with its
    gradient, so one backward pass gives all of them.

    Args:
        model: BERT-like, in evaluation mode.
        batches: encoder inputs and `labels`.
    """
    size = head_size(model)
    blocks = [block_of(layer) for layer in layers_of(model)]
    watched = [linear for block in blocks for linear in (block.attention_out, block.narrow)]
    sums = [torch.zeros(linear.in_features) for linear in watched]
    seen: dict[int, Tensor] = {}

    with ExitStack() as stack:
        for place, linear in enumerate(watched):

            def keep(_: nn.Module, inputs: tuple[Tensor, ...], place: int = place) -> None:
                inputs[0].retain_grad()
                seen[place] = inputs[0]

            stack.callback(linear.register_forward_pre_hook(keep).remove)
        for batch in batches:
            logits = model(**encoder_inputs(batch)).logits
            nn.functional.cross_entropy(logits, batch["labels"], reduction="sum").backward()
            for place, activation in seen.items():
                assert activation.grad is not None
                by_row = (activation.detach() * activation.grad).sum(dim=1)  # over tokens
                if place % 2 == 0:  # a head is gated as a whole
                    by_row = by_row.unflatten(-1, (-1, size)).sum(-1, keepdim=True).expand(-1, -1, size)
                    by_row = by_row.flatten(1)
                sums[place] += by_row.abs().sum(dim=0)
            model.zero_grad()
    return Importance(heads=[total[::size].clone() for total in sums[::2]], neurons=sums[1::2])


def prune(
    model: PreTrainedModel, importance: Importance, share_of_heads: float, share_of_width: float
) -> None:
    """Keep the most important heads and neurons of each layer, in place and in their old order.

    Every layer keeps the same number, so that the saved configuration describes the model.
    """
    if share_of_heads < 1:
        count = max(1, round(len(importance.heads[0]) * share_of_heads))
        keep_heads(model, [_top(scores, count) for scores in importance.heads])
    if share_of_width < 1:
        width = len(importance.neurons[0])
        count = min(width, WIDTH_MULTIPLE * ceil(width * share_of_width / WIDTH_MULTIPLE))
        keep_width(model, [_top(scores, count) for scores in importance.neurons])


def _top(scores: Tensor, count: int) -> Tensor:
    return scores.topk(count).indices.sort().values
