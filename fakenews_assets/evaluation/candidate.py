"""Calibrates and evaluates one candidate."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from fakenews_assets.common.progress import report
from fakenews_assets.data.splits.splitting import sample_rows, seen_rows, unseen_rows
from fakenews_assets.data.text.names import Names
from fakenews_assets.data.text.preparation import TextPreparation
from fakenews_assets.evaluation.evaluating import Evaluation, EvaluationConfig, evaluate
from fakenews_assets.evaluation.metrics.speed import SpeedConfig
from fakenews_assets.evaluation.reports.reporting import SELECTION_FILE, UNSEEN_FILE, write_evaluation
from fakenews_assets.evaluation.robustness.behaviour import run_behaviour_tests
from fakenews_assets.evaluation.robustness.masking import measure_masked
from fakenews_assets.evaluation.settings import EvaluationSettings, ScoringSettings
from fakenews_assets.evaluation.unseen.parity import Parity
from fakenews_assets.evaluation.unseen.publishers import UnseenPublishers, unseen_roc_auc
from fakenews_assets.models.bootstrap import macro_f1_of_predictions
from fakenews_assets.models.calibration import CalibratedClassifier, Calibration, write_calibration
from fakenews_assets.models.calibration_fit import CalibrationSettings, fit_calibration
from fakenews_assets.models.classifier import Classifier, Staged
from fakenews_assets.models.out_of_distribution import OodDetector, OodSettings, fit_ood_detector
from fakenews_assets.models.predictions import articles_of, predict_table
from fakenews_assets.models.runtimes.loading import load_classifier, reads_text, words_read
from fakenews_resources.storage.artifact import Artifact

_NAMED_ROWS: Final = 20_000
"""Most training rows for learning names: takes seconds and finds all common ones."""
_DETECTOR_WORDS: Final = 1_000
"""More words than `OodDetector` reads of a text."""


@dataclass(frozen=True)
class EvaluatedCandidate:
    """A candidate's evaluation, predictions, calibration and out-of-distribution detector."""

    evaluation: Evaluation
    predictions: pl.DataFrame
    """`LABELLED_PREDICTION_SCHEMA`, of the test articles whose publishers the model has seen, in their order."""
    unseen: pl.DataFrame
    """The same of the test articles of held-out publishers."""
    selection: pl.DataFrame
    """The same of the whole selection split."""
    calibration: Calibration
    ood_detector: OodDetector | None
    """None: out-of-distribution detection is off."""

    def write(self, folder: Path) -> None:
        """Write the evaluation with its report and plots, the calibration and the detector."""
        write_evaluation(self.evaluation, self.predictions, folder)
        self.unseen.write_parquet(folder / UNSEEN_FILE)
        self.selection.write_parquet(folder / SELECTION_FILE)
        write_calibration(self.calibration, folder)
        if self.ood_detector is not None:
            self.ood_detector.save(folder)

    def key_figures(self) -> dict[str, float | str | None]:
        """The most important figures for comparing candidates."""
        evaluation, metrics = self.evaluation, self.evaluation.metrics
        return {
            "unseen_roc_auc": evaluation.unseen.roc_auc if evaluation.unseen else "not measured",
            "accuracy": metrics.accuracy,
            "macro_f1": metrics.macro_f1,
            "roc_auc": metrics.roc_auc if metrics.roc_auc is not None else "undefined",
            "ece": metrics.ece,
            "temperature": self.calibration.temperature,
            "answered_share": 1 - evaluation.abstained / evaluation.rows,
            "out_of_distribution": evaluation.out_of_distribution,
            **({} if evaluation.deferred_share is None else {"deferred_share": evaluation.deferred_share}),
            "latency_ms_p50": evaluation.speed.latency_p50_ms,
            "rows_per_second": evaluation.speed.rows_per_second,
            "test_rows": evaluation.rows,
        }


def evaluate_candidate(
    name: str,
    model_folder: Path,
    splits: Artifact,
    preparation: TextPreparation,
    settings: EvaluationSettings,
) -> EvaluatedCandidate:
    """Calibrate a model on the validation split, evaluate it on the test split, and predict the selection split.

    Args:
        name: of the candidate.
        model_folder: the model as its asset saved it.
        splits: a version of `splits`.
        preparation: text preparation, as served.
        settings: of the evaluation.

    Raises:
        ValueError: see `evaluate`.
    """
    train, val, selection = (splits.scan(split).collect() for split in ("train", "val", "selection"))
    test, held_out = (rows(splits, "test").collect() for rows in (seen_rows, unseen_rows))
    classifier = load_classifier(model_folder, name)
    report(0, len(val), "articles", "calibrating on the validation split")
    validation = predict_table(classifier, val)
    calibration = fit_calibration(
        validation["true_label"].to_numpy(),
        validation["probability"].to_numpy(),
        CalibrationSettings(
            target_precision=settings.target_precision,
            max_abstain=settings.max_abstain,
            confidence=settings.level,
            seed=settings.seed,
        ),
    )
    ood_detector = None
    if settings.ood_share is not None:
        ood = OodSettings(refused_share=settings.ood_share, rows=settings.ood_rows, seed=settings.seed)
        ood_detector = fit_ood_detector(classifier, train, val, ood, reads_text=reads_text(model_folder))
    served = CalibratedClassifier(classifier, calibration, ood_detector)
    scoring = settings.model_dump(include=set(ScoringSettings.model_fields))
    evaluation, predictions = evaluate(
        served,
        test,
        EvaluationConfig(
            threshold=calibration.threshold, speed=SpeedConfig(seconds=settings.speed_seconds), **scoring
        ),
        model_folder,
        data_note=splits.meta["data_note"],
        calibration=calibration,
        ood_limits=ood_detector.limits if ood_detector else None,
    )
    report(
        0, len(held_out) + len(selection), "articles", "predicting unseen publishers and the selection split"
    )
    unseen, chosen_on = predict_table(served, held_out), predict_table(served, selection)
    evaluation = _with_unseen(evaluation, test, predictions, held_out, unseen)
    is_unseen = selection["unseen_publisher"]
    evaluation = evaluation.model_copy(
        update={
            "deferred_share": _deferred_share(classifier, test),
            "selection_macro_f1": macro_f1_of_predictions(chosen_on.filter(~is_unseen)),
            "selection_unseen_roc_auc": unseen_roc_auc(
                selection.filter(is_unseen), chosen_on.filter(is_unseen)["probability"]
            ),
        }
    )
    report(note="learning names")
    names = _learn_names(train)
    evaluation = _with_robustness(evaluation, predictions, served, test, model_folder, names, preparation)
    return EvaluatedCandidate(evaluation, predictions, unseen, chosen_on, calibration, ood_detector)


def _deferred_share(classifier: Classifier, test: pl.DataFrame) -> float | None:
    if not isinstance(classifier, Staged):
        return None
    return float(classifier.defers(articles_of(test)).mean())


def _with_unseen(
    evaluation: Evaluation,
    test: pl.DataFrame,
    predictions: pl.DataFrame,
    held_out: pl.DataFrame,
    unseen: pl.DataFrame,
) -> Evaluation:
    """The same evaluation with `unseen` and `parity` filled in."""
    config = evaluation.config
    drawing = {"resamples": config.resamples, "level": config.level, "seed": config.seed}
    called = pl.concat([test, held_out]).with_columns(pl.concat([predictions, unseen])["predicted_label"])
    return evaluation.model_copy(
        update={
            "unseen": UnseenPublishers.of(held_out, unseen, **drawing),
            "parity": Parity.of(called, **drawing),
        }
    )


def _learn_names(train: pl.DataFrame) -> Names:
    """Learn names from a fixed sample of the training rows."""
    return Names.learn(sample_rows(train, _NAMED_ROWS).with_columns(pl.col("text").fill_null("")))


def _with_robustness(
    evaluation: Evaluation,
    predictions: pl.DataFrame,
    classifier: Classifier,
    test: pl.DataFrame,
    model_folder: Path,
    names: Names,
    preparation: TextPreparation,
) -> Evaluation:
    """The same evaluation with `masked` and `behaviour` filled in."""
    config = evaluation.config
    masked = measure_masked(
        classifier,
        test.rename({"label": "true_label"}).with_columns(predictions["predicted_label"]),
        names,
        rows=config.masked_rows,
        reads_text=reads_text(model_folder),
        resamples=config.resamples,
        level=config.level,
        seed=config.seed,
    )
    behaviour = run_behaviour_tests(
        classifier,
        preparation,
        test,
        names,
        cases=config.behaviour_cases,
        reads_words=max(_DETECTOR_WORDS, words_read(model_folder)),
        seed=config.seed,
    )
    return evaluation.model_copy(update={"masked": masked, "behaviour": behaviour})
