"""Loads a saved classifier of any runtime."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fakenews_assets.models.classifier import RUNTIME_FILE, Classifier

if TYPE_CHECKING:
    from fakenews_assets.models.runtimes.ensemble import EnsembleClassifier


def reads_text(folder: Path) -> bool:
    """Whether a saved model reads the text beside the title."""
    return any(settings["inputs"] != "title" for settings in _input_settings(folder))


def words_read(folder: Path) -> int:
    """A number of words that is no less than what a saved model reads of an article."""
    # A word is one token at least.
    limits = (settings.get("max_words") or settings["max_tokens"] for settings in _input_settings(folder))
    return max(limits, default=0)


def _input_settings(folder: Path) -> list[dict[str, Any]]:
    """How a saved model reads an article; of an ensemble, how each member does."""
    files = (
        file for name in ("encoding.json", "baseline.json", "static.json") for file in folder.rglob(name)
    )
    return [json.loads(file.read_bytes()) for file in files]


def load_classifier(folder: Path, name: str | None = None) -> Classifier:
    """Load a saved classifier of any runtime.

    Args:
        folder: what a model asset stored, or the model of a bundle.
        name: the candidate's name, for tables and logs; None: that of its kind.

    Raises:
        FileNotFoundError: the folder holds none of the known kinds.
    """
    # Each kind pulls in a heavy library that the others do not need.
    if (folder / "cascade.json").is_file():
        return _load_cascade(folder, name)
    if (folder / "ensemble.json").is_file():
        return _load_ensemble(folder, name or "ensemble")
    if (folder / "baseline.json").is_file():
        from fakenews_assets.models.runtimes.linear import BaselineClassifier

        return BaselineClassifier.load(folder)
    if (folder / "static.json").is_file():
        from fakenews_assets.models.runtimes.static import StaticClassifier

        return StaticClassifier.load(folder, name=name or "static")
    if (folder / "head.safetensors").is_file():
        return _load_frozen(folder, name)
    if (folder / RUNTIME_FILE).is_file():
        return _load_exported(folder, name)
    if (folder / "config.json").is_file() and (folder / "encoding.json").is_file():
        from fakenews_assets.models.runtimes.torch import TorchClassifier

        return TorchClassifier.load(folder, name=name or "finetuned")
    found = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else "no such folder"
    raise FileNotFoundError(
        f"{folder} is not a saved classifier: expected cascade.json (cascade), ensemble.json (ensemble), baseline.json (baseline), static.json (static student), head.safetensors (frozen encoder), {RUNTIME_FILE} (exported encoder),"
        f" or config.json with encoding.json (fine-tuned encoder); found {found}. Materialize the model asset again."
    )


def _load_cascade(folder: Path, name: str | None) -> Classifier:
    from fakenews_assets.models.runtimes.cascade import CascadeClassifier, Deferral

    ensemble = _load_ensemble(folder, "ensemble")
    return CascadeClassifier(ensemble, Deferral.read(folder), name=name or "cascade")


def _load_ensemble(folder: Path, name: str) -> "EnsembleClassifier":
    from fakenews_assets.models.runtimes.encoder import EncoderClassifier
    from fakenews_assets.models.runtimes.ensemble import (
        ENCODER_FOLDER,
        LINEAR_FOLDER,
        Combination,
        EnsembleClassifier,
    )
    from fakenews_assets.models.runtimes.linear import BaselineClassifier

    encoder = load_classifier(folder / ENCODER_FOLDER)
    assert isinstance(encoder, EncoderClassifier)
    linear = BaselineClassifier.load(folder / LINEAR_FOLDER)
    return EnsembleClassifier(encoder, linear, Combination.read(folder), name=name)


def _load_frozen(folder: Path, name: str | None) -> Classifier:
    from fakenews_assets.models.runtimes.frozen import FROZEN_FOLDER, FrozenClassifier, load_head
    from fakenews_assets.models.runtimes.torch import TorchClassifier

    encoder = TorchClassifier.load(folder / FROZEN_FOLDER)
    return FrozenClassifier(encoder, *load_head(folder), name=name or "frozen")


def _load_exported(folder: Path, name: str | None) -> Classifier:
    variant = json.loads((folder / RUNTIME_FILE).read_text())["format"]
    runtime, _, arithmetic = variant.partition("-")
    if runtime == "onnx":
        from fakenews_assets.models.runtimes.onnx import OnnxClassifier

        return OnnxClassifier.load(folder, name=name or variant)
    from fakenews_assets.models.runtimes.openvino import Arithmetic, OpenVinoClassifier

    # What int8 leaves in floating point may be as rough as int8 itself.
    chosen: dict[str, Arithmetic] = {"fp32": "f32", "bf16": "bf16", "int8": "fastest"}
    return OpenVinoClassifier.load(folder, name=name or variant, arithmetic=chosen[arithmetic])
