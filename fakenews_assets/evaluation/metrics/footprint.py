"""Size and parameters of a model folder."""

from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Final

import numpy as np
from safetensors import safe_open

_NOT_COUNTED: Final = (".bin", ".onnx")
"""Weights of exported models: rounded, folded and merged, they are no longer the parameters that were trained."""


def folder_bytes(folder: Path) -> int:
    """Add up the sizes of all files below a folder, in bytes.

    Raises:
        FileNotFoundError: there is no such folder, or it holds no file.
    """
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    if not sizes:
        raise FileNotFoundError(f"No model files in {folder}; materialize the candidate first.")
    return sum(sizes)


def parameter_count(folder: Path) -> int | None:
    """Count the floating-point values in the weight files of a folder, reading only their headers.

    Integer tensors are not counted: they are position tables and the like, which training never moves.

    Returns:
        The count over all `.safetensors` and `.npz` files; None where there are none, or others hold weights too.
    """
    files = [*folder.rglob("*.safetensors"), *folder.rglob("*.npz")]
    if not files or any(path.suffix in _NOT_COUNTED for path in folder.rglob("*")):
        return None
    return sum(prod(shape) for file in files for shape in _float_shapes(file))


def _float_shapes(file: Path) -> Iterator[tuple[int, ...]]:
    if file.suffix == ".npz":
        with np.load(file, allow_pickle=False) as arrays:
            for name in arrays.files:
                if np.issubdtype(arrays[name].dtype, np.floating):
                    yield arrays[name].shape
    else:
        with safe_open(file, framework="numpy") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - the handle is no mapping and has no __iter__
                view = tensors.get_slice(name)
                if view.get_dtype().startswith(("F", "BF")):
                    yield tuple(view.get_shape())
