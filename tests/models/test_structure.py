"""Cutting layers, heads and widths: what is left computes what it computed before."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import AlbertConfig, AlbertForSequenceClassification, PreTrainedModel

from fakenews_assets.models.encoders import load_encoder
from fakenews_assets.models.structure import (
    CannotCut,
    even_layers,
    keep_heads,
    keep_layers,
    keep_width,
    layers_of,
)
from tests.support.models import build_tiny_classifier


@pytest.fixture
def model(tmp_path: Path) -> PreTrainedModel:
    return load_encoder(build_tiny_classifier(tmp_path / "tiny")).eval()


def answer(model: PreTrainedModel) -> Tensor:
    ids = torch.arange(5, 21).reshape(2, 8)
    with torch.inference_mode():
        return model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits


@pytest.mark.parametrize(
    ("depth", "wanted", "kept"),
    [(6, 3, [1, 3, 5]), (6, 2, [2, 5]), (6, 6, [0, 1, 2, 3, 4, 5]), (12, 1, [11]), (5, 2, [1, 4])],
)
def test_layers_are_spread_evenly_and_the_last_is_kept(depth: int, wanted: int, kept: list[int]) -> None:
    assert even_layers(depth, wanted) == kept


def test_more_layers_than_there_are() -> None:
    with pytest.raises(CannotCut, match="2 layers cannot give 3"):
        even_layers(2, 3)


def test_a_layer_less_is_a_layer_less(model: PreTrainedModel) -> None:
    before = answer(model)
    keep_layers(model, [0, 1])
    torch.testing.assert_close(answer(model), before)
    keep_layers(model, [1])
    assert model.config.num_hidden_layers == len(layers_of(model)) == 1
    assert not torch.allclose(answer(model), before)


def test_heads_and_neurons_that_do_nothing_are_not_missed(model: PreTrainedModel) -> None:
    for layer in layers_of(model):
        with torch.no_grad():
            layer.get_parameter("attention.output.dense.weight")[:, :16] = 0  # the first of two heads
            layer.get_parameter("output.dense.weight")[:, 32:] = 0  # the second half of the width
    before = answer(model)
    parameters = model.num_parameters()

    keep_heads(model, [torch.tensor([1])] * 2)
    keep_width(model, [torch.arange(32)] * 2)

    torch.testing.assert_close(answer(model), before)
    assert model.num_parameters() < parameters


def test_a_cut_model_survives_the_disk(model: PreTrainedModel, tmp_path: Path) -> None:
    keep_heads(model, [torch.tensor([0]), torch.tensor([1])])
    keep_width(model, [torch.arange(32)] * 2)
    model.save_pretrained(tmp_path / "cut")
    torch.testing.assert_close(answer(load_encoder(tmp_path / "cut").eval()), answer(model))


def test_an_architecture_with_one_shared_layer_is_refused() -> None:
    config = AlbertConfig(
        vocab_size=64, hidden_size=16, num_attention_heads=2, intermediate_size=16, embedding_size=8
    )
    with pytest.raises(CannotCut, match="no stack of layers"):
        layers_of(AlbertForSequenceClassification(config))
