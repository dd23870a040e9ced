"""Which candidates are partitions."""

import subprocess
import sys

import pytest

from fakenews_assets.compression.partitions import DEFAULT_CANDIDATES, needed_students, needed_variants


def test_by_default_every_machine_can_make_what_is_a_partition() -> None:
    assert needed_students(DEFAULT_CANDIDATES) == ["distilled-3l"]
    assert needed_variants(DEFAULT_CANDIDATES) == ["finetuned-openvino-int8", "distilled-3l-openvino-int8"]


@pytest.mark.parametrize("kind", ["ensemble", "cascade"])
def test_what_a_model_of_two_is_made_of_is_a_partition_too(kind: str) -> None:
    chosen = [f"{kind}-albert-onnx-int8"]
    assert needed_students(chosen) == ["albert"]
    assert needed_variants(chosen) == ["albert-onnx-int8"]


@pytest.mark.server
@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("", "['baseline', 'finetuned']"),
        ("pruned ensemble-finetuned", "['baseline', 'finetuned', 'pruned', 'ensemble-finetuned']"),
        ("cascade-finetuned", "['ensemble-finetuned'] ['baseline', 'finetuned', 'cascade-finetuned']"),
        ("distilled-9l", "FAKENEWS_CANDIDATES names distilled-9l"),
    ],
)
def test_candidates_are_what_the_environment_names(
    monkeypatch: pytest.MonkeyPatch, named: str, said: str
) -> None:
    monkeypatch.setenv("FAKENEWS_CANDIDATES", named)
    code = (
        "from fakenews_assets.evaluation.partitions import candidates, ensembles;"
        " print(ensembles.get_partition_keys(), candidates.get_partition_keys())"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert said in result.stdout + result.stderr
