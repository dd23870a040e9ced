"""Importance finds the parts that matter; pruning keeps them."""

from pathlib import Path

import pytest
import torch
from transformers import PreTrainedModel

from fakenews_assets.compression.pruning import Importance, measure_importance, prune
from fakenews_assets.models.encoders import load_encoder
from fakenews_assets.models.structure import layers_of
from fakenews_assets.training.finetuning.module import TokenBatch
from tests.support.models import build_tiny_classifier


@pytest.fixture
def model(tmp_path: Path) -> PreTrainedModel:
    return load_encoder(build_tiny_classifier(tmp_path / "tiny")).eval()


def batches() -> list[TokenBatch]:
    ids = torch.arange(5, 53).reshape(6, 8)
    return [
        {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": torch.tensor([0, 1] * 3)},
    ]


def test_silent_parts_have_no_importance(model: PreTrainedModel) -> None:
    layer = layers_of(model)[0]
    with torch.no_grad():
        layer.get_parameter("attention.output.dense.weight")[:, 16:] = 0
        layer.get_parameter("output.dense.weight")[:, [3, 5]] = 0

    importance = measure_importance(model, batches())

    assert importance.heads[0].shape == (2,)
    assert importance.heads[0][1] == 0
    assert importance.heads[0][0] > 0
    assert importance.neurons[0].shape == (64,)
    assert torch.nonzero(importance.neurons[0] == 0).flatten().tolist() == [3, 5]
    assert (importance.heads[1] > 0).all()


def test_importance_of_a_head_is_the_derivative_by_its_gate(model: PreTrainedModel) -> None:
    (batch,) = batches()
    one = {name: values[:1] for name, values in batch.items()}
    gate = torch.ones(1, requires_grad=True)

    def scale(_: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> torch.Tensor:
        return torch.cat([inputs[0][..., :16] * gate, inputs[0][..., 16:]], dim=-1)

    dense = layers_of(model)[1].get_submodule("attention.output.dense")
    handle = dense.register_forward_pre_hook(scale)
    logits = model(input_ids=one["input_ids"], attention_mask=one["attention_mask"]).logits
    torch.nn.functional.cross_entropy(logits, one["labels"]).backward()
    handle.remove()
    model.zero_grad()

    assert gate.grad is not None
    found = measure_importance(model, [one]).heads[1][0]
    torch.testing.assert_close(found, gate.grad.abs()[0], rtol=1e-4, atol=1e-6)


def test_the_important_parts_stay_in_their_order(model: PreTrainedModel) -> None:
    neurons = torch.arange(64.0)
    query = layers_of(model)[0].get_parameter("attention.self.query.weight").clone()
    widen = layers_of(model)[0].get_parameter("intermediate.dense.weight").clone()

    prune(model, Importance(heads=[torch.tensor([0.1, 0.9])] * 2, neurons=[neurons] * 2), 0.5, 0.4)

    assert model.config.kept_heads == 1
    assert model.config.intermediate_size == 32  # 25.6 rounded up
    torch.testing.assert_close(layers_of(model)[0].get_parameter("attention.self.query.weight"), query[16:])
    torch.testing.assert_close(layers_of(model)[0].get_parameter("intermediate.dense.weight"), widen[32:])


def test_keeping_everything_changes_nothing(model: PreTrainedModel) -> None:
    before = model.num_parameters()
    prune(model, Importance(heads=[torch.ones(2)] * 2, neurons=[torch.ones(64)] * 2), 1, 1)
    assert model.num_parameters() == before
