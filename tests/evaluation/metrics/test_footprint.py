from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from fakenews_assets.evaluation.metrics.footprint import folder_bytes, parameter_count


def test_bytes_of_all_files_below_the_folder(tmp_path: Path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "weights").write_bytes(b"x" * 100)
    (tmp_path / "inner" / "vocabulary").write_bytes(b"x" * 23)

    assert folder_bytes(tmp_path) == 123


def test_floating_values_are_parameters_and_integers_are_not(tmp_path: Path):
    weights = {"a": np.zeros((4, 5), np.float32), "b": np.zeros(7, np.float16), "ids": np.arange(512)}
    save_file(weights, tmp_path / "model.safetensors")
    np.savez(tmp_path / "head.npz", weights=np.zeros((2, 3)), index=np.arange(9))

    assert parameter_count(tmp_path) == 4 * 5 + 7 + 2 * 3


def test_unknown_formats_have_no_parameter_count(tmp_path: Path):
    (tmp_path / "model.bin").write_bytes(b"opaque")

    assert parameter_count(tmp_path) is None

    np.savez(tmp_path / "linear.npz", weights=np.zeros(3))  # an ensemble with one of them
    assert parameter_count(tmp_path) is None


@pytest.mark.parametrize("name", ["missing", "."])
def test_no_files_is_an_error(tmp_path: Path, name: str):
    with pytest.raises(FileNotFoundError, match="No model files"):
        folder_bytes(tmp_path / name)
