from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from fakenews_assets.evaluation.evaluating import Evaluation, EvaluationConfig, evaluate
from fakenews_assets.evaluation.metrics.speed import SpeedConfig
from fakenews_assets.evaluation.reports.reporting import to_markdown
from fakenews_assets.models.calibration import CalibratedClassifier, Calibration
from fakenews_assets.models.calibration_fit import CalibrationSettings, fit_calibration
from fakenews_assets.models.classifier import Article
from fakenews_assets.models.metrics import Metrics
from fakenews_assets.models.out_of_distribution import OodSettings, fit_ood_detector
from fakenews_assets.models.predictions import LABELLED_PREDICTION_SCHEMA
from tests.support.out_of_distribution import foreign_titles

FAST = EvaluationConfig(
    resamples=100,
    speed=SpeedConfig(single_repetitions=3, batch_repetitions=2, length_repetitions=2, warm_up=1),
)


def test_predictions_follow_the_split_and_explain_the_metrics(
    make_split: Callable, classify: Callable, model_folder: Path
):
    split = make_split(300)
    evaluation, predictions = evaluate(classify(split), split, FAST, model_folder)

    assert predictions.schema == LABELLED_PREDICTION_SCHEMA
    assert predictions["article_id"].to_list() == split["article_id"].to_list()
    assert evaluation.metrics == Metrics.of(
        predictions["true_label"].to_numpy(), predictions["probability"].to_numpy()
    )
    assert (predictions["predicted_label"] == predictions["true_label"]).mean() == evaluation.metrics.accuracy
    assert 0.85 < evaluation.metrics.accuracy < 0.95


def test_everything_asked_for_is_there(make_split: Callable, classify: Callable, model_folder: Path):
    split = make_split(300)
    classifier = classify(split)
    evaluation, _ = evaluate(classifier, split, FAST, model_folder, data_note="Only a test.")

    assert (evaluation.candidate, evaluation.note) == ("lookup", "Only a test.")
    assert (evaluation.rows, evaluation.clusters, evaluation.abstained) == (300, 150, 0)
    assert {one.dimension for one in evaluation.slices} == {"source", "title length", "text", "month"}
    assert evaluation.parameters == 15
    assert evaluation.bytes_on_disk == sum(path.stat().st_size for path in model_folder.iterdir())
    # One pass over the split, then the speed measurement: warm-up and repetitions of both sizes.
    assert classifier.batches == [300, *[1] * 4, *[32] * 3, *[1] * 9]
    accuracy = evaluation.intervals["accuracy"]
    assert accuracy is not None
    assert accuracy.low < evaluation.metrics.accuracy < accuracy.high


def test_without_clusters_rows_are_drawn(make_split: Callable, classify: Callable, model_folder: Path):
    split = make_split(200)
    clustered, _ = evaluate(classify(split), split, FAST, model_folder)
    by_row, _ = evaluate(classify(split), split.drop("cluster_id"), FAST, model_folder)

    assert by_row.clusters is None
    assert by_row.metrics == clustered.metrics
    assert by_row.intervals != clustered.intervals


@pytest.mark.parametrize("fake_share", [0.0, 0.5])
def test_json_round_trip(make_split: Callable, classify: Callable, model_folder: Path, fake_share: float):
    split = make_split(80, fake_share=fake_share)
    evaluation, _ = evaluate(classify(split), split, FAST, model_folder)

    text = evaluation.model_dump_json()
    assert "NaN" not in text
    assert Evaluation.model_validate_json(text) == evaluation


def test_another_threshold_must_be_declared(make_split: Callable, classify: Callable, model_folder: Path):
    split = make_split(200)
    with pytest.raises(ValueError, match=r"set EvaluationConfig\.threshold"):
        evaluate(classify(split, threshold=0.75), split, FAST, model_folder)

    declared = FAST.model_copy(update={"threshold": 0.75})
    evaluation, _ = evaluate(classify(split, threshold=0.75), split, declared, model_folder)
    assert evaluation.metrics.threshold == 0.75


def test_a_calibration_is_judged_too(make_split: Callable, classify: Callable, model_folder: Path):
    split, validation = make_split(300), make_split(600, seed=3)
    raw = classify(split)
    forecasts = classify(validation).predict([Article(title) for title in validation["title"]])
    calibration = fit_calibration(
        validation["label"].to_numpy(), forecasts.probability, CalibrationSettings(target_precision=0.95)
    ).model_copy(update={"abstain_low": 0.3, "abstain_high": 0.7})
    config = FAST.model_copy(update={"threshold": calibration.threshold})
    plain, _ = evaluate(raw, split, FAST, model_folder)
    evaluation, predictions = evaluate(
        CalibratedClassifier(raw, calibration), split, config, model_folder, calibration=calibration
    )

    answered = predictions.filter(~pl.col("abstained"))
    assert evaluation.calibration == calibration
    assert 0 < evaluation.abstained == 300 - answered.height < 300
    assert evaluation.answered == Metrics.of(
        answered["true_label"].to_numpy(), answered["probability"].to_numpy(), calibration.threshold
    )
    assert evaluation.metrics.rows == 300  # abstained rows count all the same
    assert evaluation.metrics.roc_auc == pytest.approx(plain.metrics.roc_auc)
    assert evaluation.log_loss_uncalibrated == pytest.approx(plain.metrics.log_loss, abs=1e-4)
    assert evaluation.ece_uncalibrated == pytest.approx(plain.metrics.ece, abs=1e-4)
    assert Evaluation.model_validate_json(evaluation.model_dump_json()) == evaluation


def test_without_a_calibration_every_row_is_answered(
    make_split: Callable, classify: Callable, model_folder: Path
):
    split = make_split(100)
    evaluation, _ = evaluate(classify(split), split, FAST, model_folder)

    assert evaluation.answered == evaluation.metrics
    assert (evaluation.calibration, evaluation.ece_uncalibrated) == (None, None)
    assert (evaluation.ood_limits, evaluation.out_of_distribution) == (None, 0)


def test_out_of_distribution_rows_are_counted_beside_uncertain_ones(
    make_split: Callable, classify: Callable, model_folder: Path
):
    split = make_split(300)
    known = split[:200]
    strange = split[200:220].with_columns(title=pl.Series(foreign_titles()[:20]))
    test = pl.concat([split[220:], strange])
    classifier = classify(pl.concat([split, strange]))
    settings = OodSettings(refused_share=0.01)
    ood_detector = fit_ood_detector(classifier, known[:100], known[100:], settings, reads_text=False)
    band = Calibration.identity().model_copy(
        update={"abstain_low": 0.3, "abstain_high": 0.7, "target_precision": 0.9, "confidence": 0.95}
    )
    evaluation, predictions = evaluate(
        CalibratedClassifier(classifier, band, ood_detector), test, FAST, model_folder,
        calibration=band, ood_limits=ood_detector.limits,
    )  # fmt: skip

    out_of_distribution, abstained = predictions["out_of_distribution"], predictions["abstained"]
    assert out_of_distribution[80:].mean() > 0.9  # pyright: ignore[reportOptionalOperand, reportOperatorIssue]
    assert out_of_distribution[:80].mean() < 0.1  # pyright: ignore[reportOptionalOperand, reportOperatorIssue]
    inside = predictions["probability"].is_between(0.3, 0.7, closed="none")
    assert (abstained == (inside | out_of_distribution)).all()
    assert (
        evaluation.out_of_distribution == out_of_distribution.sum() < evaluation.abstained == abstained.sum()
    )
    assert evaluation.ood_limits == ood_detector.limits
    report = to_markdown(evaluation)
    assert f"on {evaluation.abstained - evaluation.out_of_distribution} of 100 test articles beside" in report
    assert f"they refuse {evaluation.out_of_distribution} ({evaluation.out_of_distribution}.00%)" in report
    assert "it does not notice other kinds of English" in report
    assert Evaluation.model_validate_json(evaluation.model_dump_json()) == evaluation


def test_a_classifier_that_never_answers_has_no_answered_metrics(
    make_split: Callable, classify: Callable, model_folder: Path
):
    split = make_split(40)
    silent = Calibration.identity().model_copy(update={"abstain_low": 0.0, "abstain_high": 1.0})
    evaluation, _ = evaluate(
        CalibratedClassifier(classify(split), silent), split, FAST, model_folder, calibration=silent
    )

    assert (evaluation.abstained, evaluation.answered) == (40, None)


def test_a_calibration_must_be_applied(make_split: Callable, classify: Callable, model_folder: Path):
    split = make_split(100)
    band = Calibration.identity().model_copy(update={"abstain_low": 0.3, "abstain_high": 0.7})
    with pytest.raises(ValueError, match=r"evaluate CalibratedClassifier"):
        evaluate(classify(split), split, FAST, model_folder, calibration=band)

    # No forecast of this classifier lies between 0.45 and 0.55, so both thresholds decide alike.
    moved = Calibration.identity().model_copy(update={"threshold": 0.52, "abstain_high": 0.52})
    with pytest.raises(ValueError, match=r"set EvaluationConfig\.threshold to the calibration's"):
        evaluate(classify(split), split, FAST, model_folder, calibration=moved)


def test_unusable_splits_are_refused(make_split: Callable, classify: Callable, model_folder: Path):
    split = make_split(20)
    classifier = classify(split)
    unlabelled = split.with_columns(
        label=pl.when(pl.col("article_id") != split["article_id"][3]).then("label")
    )

    with pytest.raises(ValueError, match="is empty"):
        evaluate(classifier, split.clear(), FAST, model_folder)
    with pytest.raises(ValueError, match="1 of 20 test rows have no label"):
        evaluate(classifier, unlabelled, FAST, model_folder)
    with pytest.raises(ValueError, match="lacks the columns source, batch"):
        evaluate(classifier, split.drop("source", "batch"), FAST, model_folder)
    with pytest.raises(FileNotFoundError, match="No model files"):
        evaluate(classifier, split, FAST, model_folder / "missing")


def test_config_refuses_unknown_keys():
    with pytest.raises(ValueError, match="treshold"):
        EvaluationConfig.model_validate({"treshold": 0.4})
