import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from matplotlib.image import imread

from fakenews_assets.common.plotting import to_png
from fakenews_assets.data.corpus import DATA_NOTE
from fakenews_assets.evaluation.evaluating import (
    Evaluation,
    EvaluationConfig,
    evaluate,
)
from fakenews_assets.evaluation.metrics.speed import SpeedConfig
from fakenews_assets.evaluation.reports.plots import curves_plot
from fakenews_assets.evaluation.reports.reporting import (
    evaluation_plots,
    read_evaluation,
    stored_plots,
    to_markdown,
    write_evaluation,
)
from fakenews_assets.models.calibration import CalibratedClassifier, Calibration

FAST = EvaluationConfig(
    resamples=100,
    speed=SpeedConfig(single_repetitions=3, batch_repetitions=2, length_repetitions=2, warm_up=1),
)
Evaluated = tuple[Evaluation, pl.DataFrame]


@pytest.fixture
def evaluated(make_split: Callable, classify: Callable, model_folder: Path) -> Evaluated:
    split = make_split(300)
    return evaluate(classify(split), split, FAST, model_folder)


@pytest.fixture
def evaluated_on_one_class(make_split: Callable, classify: Callable, model_folder: Path) -> Evaluated:
    split = make_split(60, fake_share=0.0)
    return evaluate(classify(split), split, FAST, model_folder)


@pytest.mark.compute
def test_plots_are_images_with_content(evaluated: Evaluated):
    figures = evaluation_plots(*evaluated)

    assert set(figures) == {"reliability", "confusion", "scores", "curves", "risk_coverage", "slices"}
    for figure in figures.values():
        pixels = imread(io.BytesIO(to_png(figure)))
        colours = np.unique(pixels.reshape(-1, pixels.shape[2]), axis=0)
        assert len(colours) > 50


def test_curves_need_both_classes(evaluated_on_one_class: Evaluated):
    evaluation, predictions = evaluated_on_one_class

    assert set(evaluation_plots(evaluation, predictions)) == {
        "reliability", "confusion", "scores", "risk_coverage", "slices",
    }  # fmt: skip
    with pytest.raises(ValueError, match="both classes"):
        curves_plot(predictions, evaluation.metrics)


def test_files_can_be_read_back(evaluated: Evaluated, tmp_path: Path):
    evaluation, predictions = evaluated
    folder = tmp_path / "out" / "lookup"

    write_evaluation(evaluation, predictions, folder)

    assert read_evaluation(folder) == evaluation
    assert pl.read_parquet(folder / "predictions.parquet").equals(predictions)
    report = (folder / "evaluation.md").read_text()
    assert report.startswith(to_markdown(evaluation))
    images = sorted(path.name for path in folder.glob("*.png"))
    assert images == [
        "confusion.png",
        "curves.png",
        "reliability.png",
        "risk_coverage.png",
        "scores.png",
        "slices.png",
    ]
    for image in images:
        assert f"]({image})" in report
    plots = stored_plots(folder)
    assert list(plots) == list(evaluation_plots(evaluation, predictions))
    assert all((folder / f"{name}.png").read_bytes() == png for name, png in plots.items())


def test_markdown_holds_the_numbers(evaluated: Evaluated):
    evaluation, _ = evaluated
    markdown = to_markdown(evaluation)

    metrics, interval = evaluation.metrics, evaluation.intervals["accuracy"]
    assert interval is not None
    assert f"| accuracy | {metrics.accuracy:.4f} | {interval.low:.4f} to {interval.high:.4f} |" in markdown
    for value in (
        metrics.macro_f1,
        metrics.roc_auc,
        metrics.pr_auc,
        metrics.log_loss,
        metrics.ece,
        metrics.fake.recall,
    ):
        assert f"| {value:.4f} |" in markdown
    for one in evaluation.slices:
        assert f"| {one.dimension} | {one.name} | {one.rows:,} |" in markdown
    assert f"{evaluation.speed.latency_p50_ms:.2f} ms" in markdown
    assert "150 near-duplicate clusters" in markdown
    assert "| parameters | 15 |" in markdown


def test_markdown_explains_the_calibration(
    make_split: Callable, classify: Callable, model_folder: Path, evaluated: Evaluated
):
    split = make_split(300)
    calibration = Calibration(
        temperature=0.8,
        threshold=0.5,
        abstain_low=0.2,
        abstain_high=0.75,
        target_precision=0.95,
        answered_share=0.61,
        confidence=0.95,
        promised_real=0.9531,
        promised_fake=0.9432,
        rows=1234,
    )
    classifier = CalibratedClassifier(classify(split), calibration)
    evaluation, _ = evaluate(classifier, split, FAST, model_folder, calibration=calibration)
    markdown, answered = to_markdown(evaluation), evaluation.answered

    assert answered is not None
    assert "divided by 0.800, the temperature fitted on 1,234 validation articles" in markdown
    assert f"the ECE from {evaluation.ece_uncalibrated:.4f} to {evaluation.metrics.ece:.4f}" in markdown
    assert f"between 0.200 and 0.750: on {evaluation.abstained:,} of 300 test articles" in markdown
    assert f"| share of all |  | {answered.rows / 300:.1%} |" in markdown
    assert f"| accuracy |  | {answered.accuracy:.4f} |" in markdown
    assert f"| precision of “real” | 0.9531 | {answered.real.precision:.4f} |" in markdown
    assert "with 95% confidence" in markdown
    assert "**The validation articles do not support the target for “fake”. Less is promised.**" in markdown
    reached = calibration.model_copy(update={"promised_fake": 0.96})
    assert "Less is promised" not in to_markdown(evaluation.model_copy(update={"calibration": reached}))
    always = calibration.model_copy(
        update={"target_precision": None, "abstain_low": 0.5, "abstain_high": 0.5}
    )
    assert "The model always answers." in to_markdown(evaluation.model_copy(update={"calibration": always}))
    assert "### Calibration" not in to_markdown(evaluated[0])


def test_markdown_tells_how_wrong_the_surest_answers_are(evaluated: Evaluated):
    measured, markdown = evaluated[0].risk_coverage, to_markdown(evaluated[0])
    assert measured is not None
    assert "| share answered | 100% | 95% | 90% | 80% | 70% | 50% |" in markdown
    assert f"| error rate | {1 - evaluated[0].metrics.accuracy:.2%} |" in markdown
    assert f"(AURC) {measured.aurc:.4f}; {measured.lowest_aurc:.4f} with a perfect ranking" in markdown
    assert "Out-of-distribution articles" not in markdown  # this one does not look


def test_markdown_says_what_is_undefined(evaluated_on_one_class: Evaluated):
    markdown = to_markdown(evaluated_on_one_class[0])

    assert "| macro-F1 | undefined | undefined |" in markdown
    assert "| ROC-AUC | undefined | undefined |" in markdown
    assert "too few" in markdown


def test_the_data_note_stands_in_the_report(evaluated: Evaluated):
    evaluation, _ = evaluated

    assert "plumbing" not in to_markdown(evaluation)
    noted = evaluation.model_copy(update={"note": DATA_NOTE})
    assert "prove only that the plumbing works" in to_markdown(noted)


def test_names_cannot_break_a_table(evaluated: Evaluated):
    evaluation, _ = evaluated
    odd = evaluation.slices[0].model_copy(update={"name": "a|b\nc"})

    assert "| a\\|b c |" in to_markdown(evaluation.model_copy(update={"slices": (odd,)}))
