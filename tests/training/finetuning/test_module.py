"""One optimisation step, and the pictures of many."""

from pathlib import Path

import pytest
import torch
from torch.optim.lr_scheduler import LambdaLR

from fakenews_assets.common.plotting import to_png
from fakenews_assets.models.encoders import load_encoder
from fakenews_assets.models.settings import EncoderSpec
from fakenews_assets.training.finetuning.finetuning import finetune
from fakenews_assets.training.finetuning.history import TrainingHistory, TrainingPoint, ValidationPoint
from fakenews_assets.training.finetuning.module import FUSED_ATTENTION_FROM, FakeNewsModule
from fakenews_assets.training.plots import curves_figure
from fakenews_assets.training.settings import FinetuneSettings
from tests.support.models import build_tiny_bert, separable_articles


def make_module(folder: Path, **changes: object) -> FakeNewsModule:
    settings = FinetuneSettings.model_validate({"batch_size": 4, "warmup": 0.2, **changes})
    return FakeNewsModule(load_encoder(folder), settings, total_steps=10)


def make_batch(rows: int = 4, tokens: int = 6) -> dict[str, torch.Tensor]:
    ids = torch.randint(5, 60, (rows, tokens), generator=torch.Generator().manual_seed(0))
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": torch.arange(rows) % 2}


def test_dropout_is_active_in_training_and_off_in_validation(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: dict[str, set[bool]] = {"training_step": set(), "validation_step": set()}

    def spy_on(step: str) -> None:
        original = getattr(FakeNewsModule, step)

        def spied(module: FakeNewsModule, batch: dict[str, torch.Tensor], batch_idx: int) -> object:
            modes[step] |= {part.training for part in module.encoder.modules()}
            return original(module, batch, batch_idx)

        monkeypatch.setattr(FakeNewsModule, step, spied)

    for step in modes:
        spy_on(step)
    settings = FinetuneSettings(
        encoder=EncoderSpec(name=str(tiny_bert), max_tokens=64),
        max_tokens=32,
        epochs=2,
        accelerator="cpu",
        precision="fp32",
    )
    finetune(separable_articles(64), separable_articles(16), settings, tmp_path / "model", tmp_path / "work")

    # After the first validation training goes on with dropout again.
    assert modes == {"training_step": {True}, "validation_step": {False}}


def test_every_row_weighs_the_same_in_batches_of_any_size(tiny_bert: Path) -> None:
    module = make_module(tiny_bert)  # evaluation mode: no dropout
    batch = make_batch(rows=6)
    parts = [{name: values[rows] for name, values in batch.items()} for rows in (slice(0, 1), slice(1, 6))]

    whole = module.training_step(batch, 0)
    pieces = [module.training_step(part, 0) for part in parts]

    assert whole["loss"].item() == pytest.approx(sum(piece["loss"].item() for piece in pieces), rel=1e-5)
    assert whole["row_loss"].item() == pytest.approx(whole["loss"].item() * 4 / 6, rel=1e-5)


def test_attention_kernels_agree(tiny_bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = make_module(tiny_bert)
    plain = module.training_step(make_batch(), 0)["loss"].item()
    assert module.encoder.config._attn_implementation == "eager"

    monkeypatch.setattr("fakenews_assets.training.finetuning.module.FUSED_ATTENTION_FROM", 1)
    assert module.training_step(make_batch(), 0)["loss"].item() == pytest.approx(plain, rel=1e-5)
    assert module.encoder.config._attn_implementation == "sdpa"
    assert FUSED_ATTENTION_FROM > 64


def test_optimizer_decays_matrices_only_and_follows_the_schedule(tiny_bert: Path) -> None:
    module = make_module(tiny_bert, weight_decay=0.1)
    configured = module.configure_optimizers()
    optimizer = configured["optimizer"]
    assert isinstance(optimizer, torch.optim.AdamW)
    assert isinstance(configured["lr_scheduler"], dict)
    scheduler = configured["lr_scheduler"]["scheduler"]
    assert isinstance(scheduler, LambdaLR)

    decayed, plain = optimizer.param_groups
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.1, 0.0)
    assert all(parameter.ndim > 1 for parameter in decayed["params"])
    assert len(decayed["params"]) + len(plain["params"]) == len(list(module.parameters()))
    assert optimizer.defaults["fused"] is True

    rates = []
    for _ in range(11):
        rates.append(optimizer.param_groups[0]["lr"] / 1e-4)
        optimizer.step()
        scheduler.step()
    assert rates[:3] == pytest.approx([1 / 3, 2 / 3, 1.0])
    assert rates[3:] == pytest.approx([7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8, 0.0])


def test_gradients_are_clipped(tiny_bert: Path) -> None:
    module = make_module(tiny_bert, gradient_clip=0.5)
    (module.training_step(make_batch(), 0)["loss"] * 1e4).backward()
    module.configure_gradient_clipping(torch.optim.AdamW(module.parameters()))

    squares = [
        parameter.grad.square().sum() for parameter in module.parameters() if parameter.grad is not None
    ]
    assert torch.stack(squares).sum().sqrt().item() == pytest.approx(0.5, rel=1e-3)


def test_curves_become_a_picture() -> None:
    history = TrainingHistory(
        steps_per_epoch=4,
        training=[TrainingPoint(step=step, loss=1 / step, learning_rate=1e-5) for step in (2, 4, 6)],
        validation=[ValidationPoint(step=4, loss=0.5, accuracy=0.9, macro_f1=0.9)],
    )
    empty = TrainingHistory(steps_per_epoch=4, training=[], validation=[])

    drawn, blank = to_png(curves_figure(history)), to_png(curves_figure(empty))
    assert drawn.startswith(b"\x89PNG")
    assert drawn != blank


def test_tiny_bert_is_tiny(tmp_path: Path) -> None:
    encoder = load_encoder(build_tiny_bert(tmp_path / "tiny"))
    assert sum(parameter.numel() for parameter in encoder.parameters()) < 30_000
