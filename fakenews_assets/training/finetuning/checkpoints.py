"""Atomic checkpoints that belong to exactly one run."""

import os
import shutil
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import Tensor
from typing_extensions import override

from fakenews_resources.storage.durable import replace_text

_RUN_FILE = "run.sha256"


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes aside in the same folder, then renames.

    Lightning's own transaction goes through the system's temporary folder; from there to another file system
    the last step is a copy, which a kill can cut short.
    """

    @override
    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None
    ) -> None:
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = target.with_suffix(".partial")
        with aside.open("wb") as file:
            torch.save(checkpoint, file)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(target)


def open_run(folder: Path, run: str) -> None:
    """Prepare the checkpoint folder of one run. Of processes that train together, the first one does it.

    Args:
        folder: where its checkpoints lie; made if missing.
        run: names everything that decides the result of the run. Checkpoints of any other run are deleted.
    """
    if folder.is_dir() and not _is_of(folder, run):
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    replace_text(folder / _RUN_FILE, run)


def last_checkpoint(folder: Path, run: str) -> Path | None:
    """The checkpoint to resume a run from, or None to start at the first step.

    Other processes than the first need not wait for `open_run`: what it would delete is not seen here either.
    """
    found = folder.glob("resume-*.ckpt") if _is_of(folder, run) else []
    return max(found, key=lambda path: path.stat().st_mtime_ns, default=None)


def _is_of(folder: Path, run: str) -> bool:
    try:
        return (folder / _RUN_FILE).read_text() == run
    except FileNotFoundError:
        return False


def encoder_weights(checkpoint: Path) -> dict[str, Tensor]:
    """Read the encoder's part of a checkpoint, named as the encoder itself names it.

    torch's pruning holds a weight as `<name>_orig` and `<name>_mask` while it trains; here they are multiplied out.
    """
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"]
    weights: dict[str, Tensor] = {}
    for name, value in state.items():
        if name.startswith("encoder.") and not name.endswith("_mask"):
            plain = name.removesuffix("_orig")
            mask = state.get(f"{plain}_mask")
            weights[plain.removeprefix("encoder.")] = value if mask is None else value * mask
    return weights
