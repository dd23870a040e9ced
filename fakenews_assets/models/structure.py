"""Removes layers, attention heads and feed-forward neurons of BERT-like encoders."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

WIDTH_MULTIPLE: Final = 32
"""Feed-forward widths are kept at multiples of this: a register of int8 lanes, twice over on AVX-512."""


class CannotCut(ValueError):
    """The architecture is not one that these functions know; the message names those that are."""


class Block(NamedTuple):
    """The linear layers of one encoder layer that decide its heads and its width."""

    query: nn.Linear
    key: nn.Linear
    value: nn.Linear
    attention_out: nn.Linear
    widen: nn.Linear
    narrow: nn.Linear


def layers_of(model: PreTrainedModel) -> nn.ModuleList:
    """The stack of encoder layers of BERT, DistilBERT, RoBERTa and the like.

    Raises:
        CannotCut: there is no such stack (ALBERT shares one layer).
    """
    base = model.base_model
    for holder in ("encoder", "transformer"):
        stack = getattr(getattr(base, holder, None), "layer", None)
        if isinstance(stack, nn.ModuleList):
            return stack
    raise CannotCut(
        f"{type(model).__name__} has no stack of layers to cut; take a BERT-like encoder such as minilm."
    )


def even_layers(depth: int, wanted: int) -> list[int]:
    """Indices of `wanted` layers spread evenly over `depth`, the last one always among them.

    Raises:
        CannotCut: more layers are wanted than there are.
    """
    if not 1 <= wanted <= depth:
        raise CannotCut(f"A teacher of {depth} layers cannot give {wanted}; pick a smaller student.")
    return [round((index + 1) * depth / wanted) - 1 for index in range(wanted)]


def keep_layers(model: PreTrainedModel, kept: Sequence[int]) -> None:
    """Drop all layers but those, in place."""
    stack = layers_of(model)
    chosen = [stack[index] for index in kept]
    del stack[:]
    stack.extend(chosen)
    for field in ("num_hidden_layers", "n_layers"):
        if hasattr(model.config, field):
            setattr(model.config, field, len(kept))
            break


def block_of(layer: nn.Module) -> Block:
    """The linear layers of a BERT-like encoder layer.

    Raises:
        CannotCut: it is built otherwise.
    """
    paths = (
        "attention.self.query",
        "attention.self.key",
        "attention.self.value",
        "attention.output.dense",
        "intermediate.dense",
        "output.dense",
    )
    try:
        found = [layer.get_submodule(path) for path in paths]
    except AttributeError as error:
        raise CannotCut(
            f"Heads and widths of {type(layer).__name__} cannot be cut: only BERT's and RoBERTa's layers can."
        ) from error
    assert all(isinstance(module, nn.Linear) for module in found)
    return Block(*found)  # pyright: ignore[reportArgumentType]


def head_size(model: PreTrainedModel) -> int:
    """Width of one attention head."""
    return int(layers_of(model)[0].get_submodule("attention.self").attention_head_size)  # pyright: ignore[reportArgumentType]


def keep_heads(model: PreTrainedModel, kept: Sequence[Tensor]) -> None:
    """Drop all attention heads but those, in place.

    Args:
        model: BERT-like.
        kept: per layer the indices of its heads, int64 [heads]; equally many in every layer.
    """
    size = head_size(model)
    for layer, heads in zip(layers_of(model), kept, strict=True):
        block = block_of(layer)
        rows = (heads[:, None] * size + torch.arange(size)).flatten()
        for linear in (block.query, block.key, block.value):
            _keep_outputs(linear, rows)
        _keep_inputs(block.attention_out, rows)
    mark_heads(model, len(kept[0]))


def keep_width(model: PreTrainedModel, kept: Sequence[Tensor]) -> None:
    """Drop all feed-forward neurons but those, in place.

    Args:
        model: BERT-like.
        kept: per layer the indices of its neurons, int64 [neurons]; equally many in every layer.
    """
    for layer, neurons in zip(layers_of(model), kept, strict=True):
        block = block_of(layer)
        _keep_outputs(block.widen, neurons)
        _keep_inputs(block.narrow, neurons)
    model.config.intermediate_size = len(kept[0])


def mark_heads(model: PreTrainedModel, heads: int) -> None:
    """Note how many heads each layer has, in the modules and in the configuration that is saved with them.

    `num_attention_heads` stays what it was: transformers derives a head's width from it.
    """
    size = head_size(model)
    for layer in layers_of(model):
        attention = layer.get_submodule("attention.self")
        attention.num_attention_heads = heads  # pyright: ignore[reportArgumentType] - a plain attribute
        attention.all_head_size = heads * size  # pyright: ignore[reportArgumentType]
    model.config.kept_heads = heads


def _keep_outputs(linear: nn.Linear, rows: Tensor) -> None:
    linear.weight = nn.Parameter(linear.weight.detach()[rows].clone())
    linear.bias = nn.Parameter(linear.bias.detach()[rows].clone())
    linear.out_features = len(rows)


def _keep_inputs(linear: nn.Linear, columns: Tensor) -> None:
    linear.weight = nn.Parameter(linear.weight.detach()[:, columns].clone())
    linear.in_features = len(columns)
