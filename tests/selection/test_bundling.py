"""What goes into a bundle's papers."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from fakenews_assets.selection.bundling import COMMIT_VARIABLE, encoder_of, git_commit, runtime_of
from fakenews_resources.storage.artifact import Record


def record(key: str) -> Record:
    return Record(
        key=key,
        version="0" * 32,
        created_at=datetime.now(UTC),
        files={},
        config={"encoder": {"name": "minilm"}} if key in ("finetuned_bert", "frozen_encoder") else {},
    )


@pytest.mark.parametrize(
    ("keys", "encoder"),
    [
        (["baseline_model"], None),
        (["finetuned_bert"], "minilm"),
        (["frozen_encoder"], "minilm"),
        (["finetuned_bert", "pruned_bert"], "minilm"),
        (["finetuned_bert", "distilled_bert/distilled-3l"], "minilm"),
        (["finetuned_bert", "distilled_bert/distilbert"], "distilbert-base-uncased"),
        (
            ["quantized_bert/albert-openvino-int8", "finetuned_bert", "distilled_bert/albert"],
            "albert-base-v2",
        ),
        (["ensemble_model/ensemble-finetuned", "finetuned_bert", "baseline_model"], "minilm"),
    ],
)
def test_a_student_with_weights_of_its_own_descends_from_its_own_encoder(
    keys: list[str], encoder: str | None
) -> None:
    assert encoder_of({key: record(key) for key in keys}) == encoder


@pytest.mark.parametrize(
    ("candidate", "runtime"),
    [
        ("baseline", "scikit-learn"),
        ("finetuned", "torch"),
        ("distilled-3l", "torch"),
        ("distilled-3l-openvino-int8", "openvino"),
        ("ensemble-pruned", "torch+scikit-learn"),
        ("ensemble-finetuned-onnx-int8", "onnx+scikit-learn"),
        ("cascade-finetuned-openvino-int8", "openvino+scikit-learn"),
    ],
)
def test_a_candidates_name_tells_its_runtime(candidate: str, runtime: str) -> None:
    assert runtime_of(candidate) == runtime


@pytest.mark.parametrize(("variable", "commit"), [("c0ffee", "c0ffee"), ("", None), (None, None)])
def test_an_image_knows_the_commit_that_it_was_built_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str | None, commit: str | None
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # there is no git in an image
    if variable is not None:
        monkeypatch.setenv(COMMIT_VARIABLE, variable)
    assert git_commit() == commit
