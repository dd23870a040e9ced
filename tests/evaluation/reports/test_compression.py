from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from fakenews_assets.common.plotting import to_png
from fakenews_assets.evaluation.evaluating import Evaluation, EvaluationConfig, evaluate
from fakenews_assets.evaluation.metrics.speed import SpeedConfig
from fakenews_assets.evaluation.reports.compression import COST_SCHEMA, compression_costs, compression_plot

FAST = EvaluationConfig(
    resamples=100,
    speed=SpeedConfig(single_repetitions=2, batch_repetitions=2, length_repetitions=2, warm_up=0),
)
ROWS = 200


@pytest.fixture
def judged(
    make_split: Callable, classify: Callable, model_folder: Path
) -> tuple[dict[str, Evaluation], dict[str, pl.DataFrame]]:
    """A fine-tuned model, a student that is wrong about 20 more articles and twice as fast, and a quarter-size variant
    of the student that decides the same."""
    split = make_split(ROWS)
    measured, predicted = evaluate(classify(split), split, FAST, model_folder)
    right = np.flatnonzero(predicted["predicted_label"] == predicted["true_label"])[:20]
    flipped = np.isin(np.arange(ROWS), right)
    student = predicted.with_columns(
        predicted_label=pl.col("predicted_label") ^ pl.Series(flipped.astype(np.int8))
    )
    sizes = {"finetuned": (100.0, 800), "distilled-3l": (200.0, 400), "distilled-3l-onnx-int8": (600.0, 100)}
    evaluations = {
        name: measured.model_copy(
            update={
                "bytes_on_disk": size,
                "speed": measured.speed.model_copy(update={"rows_per_second": rows}),
            }
        )
        for name, (rows, size) in sizes.items()
    }
    tables = {"finetuned": predicted, "distilled-3l": student, "distilled-3l-onnx-int8": student}
    return {"baseline": measured, **evaluations}, {"baseline": student, **tables}


def test_each_smaller_model_is_compared_with_its_own_source(judged: tuple) -> None:
    costs = compression_costs(*judged)
    assert costs.schema == COST_SCHEMA
    assert costs.select("candidate", "made_of").rows() == [
        ("distilled-3l", "finetuned"),
        ("distilled-3l-onnx-int8", "distilled-3l"),
    ]
    assert costs["changed_share"].to_list() == [20 / ROWS, 0]
    assert costs["speedup"].to_list() == [2, 3]
    assert costs["size_share"].to_list() == [1 / 2, 1 / 4]
    student, quantized = costs.iter_rows(named=True)
    assert student["low"] < student["points"] < student["high"] < 0
    assert -15 < student["points"] < -5  # 20 of 200 decisions
    assert quantized["low"] == quantized["points"] == quantized["high"] == 0


def test_a_variant_without_its_source_is_left_out(judged: tuple) -> None:
    evaluations, predictions = judged
    del evaluations["distilled-3l"]
    assert compression_costs(evaluations, predictions)["candidate"].to_list() == []


def test_the_plot_names_each_pair_and_says_what_was_gained(judged: tuple) -> None:
    (axis,) = compression_plot(compression_costs(*judged)).axes
    names = [label.get_text() for label in axis.get_yticklabels()]
    assert names == ["distilled-3l\nmade of finetuned", "distilled-3l-onnx-int8\nmade of distilled-3l"]
    notes = [text.get_text() for text in axis.texts]
    assert notes == [
        "2.0x as fast, 50% of the size, 10.0% of the decisions changed",
        "3.0x as fast, 25% of the size, 0.0% of the decisions changed",
    ]


def test_a_plot_without_a_compressed_candidate_is_drawn() -> None:
    assert to_png(compression_plot(pl.DataFrame(schema=COST_SCHEMA))).startswith(b"\x89PNG")
