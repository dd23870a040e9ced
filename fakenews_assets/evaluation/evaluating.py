"""The record of one evaluation, and the scores, speed and size in it."""

from pathlib import Path

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from fakenews_assets.common.progress import report
from fakenews_assets.data.schema import ARTICLE_SCHEMA
from fakenews_assets.evaluation.metrics.footprint import folder_bytes, parameter_count
from fakenews_assets.evaluation.metrics.selective import RiskCoverage
from fakenews_assets.evaluation.metrics.slices import SliceConfig, SliceScore, score_slices
from fakenews_assets.evaluation.metrics.speed import Speed, SpeedConfig, measure_speed
from fakenews_assets.evaluation.robustness.behaviour import BehaviourResult
from fakenews_assets.evaluation.robustness.masking import MaskedScore
from fakenews_assets.evaluation.settings import ScoringSettings
from fakenews_assets.evaluation.unseen.parity import Parity
from fakenews_assets.evaluation.unseen.publishers import UnseenPublishers
from fakenews_assets.models.bootstrap import Interval, MetricName, bootstrap_intervals
from fakenews_assets.models.calibration import Calibration, inside_band, undo_temperature
from fakenews_assets.models.classifier import Classifier
from fakenews_assets.models.metrics import Metrics
from fakenews_assets.models.out_of_distribution import OodLimits
from fakenews_assets.models.predictions import articles_of, predict_table

_SPEED_ARTICLES = 512


class EvaluationConfig(ScoringSettings):
    """Settings of `evaluate`."""

    threshold: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Decision threshold on P(fake); the classifier's own.",
    )
    slices: SliceConfig = Field(default=SliceConfig(), description="How rows are divided into slices.")
    speed: SpeedConfig = Field(default=SpeedConfig(), description="Limits of the speed measurement.")


class Evaluation(BaseModel):
    """The evaluation of one candidate on one test split."""

    model_config = ConfigDict(frozen=True)

    candidate: str
    note: str | None = Field(description="Warning shown beside the scores.")
    config: EvaluationConfig
    rows: int
    clusters: int | None = Field(
        description="Number of near-duplicate clusters that the bootstrap resamples; None: it resamples rows."
    )
    abstained: int = Field(description="Abstained rows; the metrics include them.")
    metrics: Metrics
    intervals: dict[MetricName, Interval | None]
    slices: tuple[SliceScore, ...]
    speed: Speed
    bytes_on_disk: int
    parameters: int | None = Field(description="None: the format does not say.")
    risk_coverage: RiskCoverage = Field(description="Error rate among the most confident answers.")
    answered: Metrics | None = Field(
        default=None, description="Metrics of the answered rows; None: there are none."
    )
    calibration: Calibration | None = Field(
        default=None, description="The applied calibration; None: the model's own probabilities."
    )
    log_loss_uncalibrated: float | None = Field(
        default=None, description="With the model's own probabilities."
    )
    ece_uncalibrated: float | None = Field(default=None, description="With the model's own probabilities.")
    ood_limits: OodLimits | None = Field(
        default=None,
        description="Limits above which an article is out of distribution; None: not checked.",
    )
    out_of_distribution: int = Field(
        default=0, description="Rows abstained from because they are out of distribution."
    )
    masked: tuple[MaskedScore, ...] | None = Field(
        default=None, description="Quality with shortcuts masked; None: not measured."
    )
    behaviour: tuple[BehaviourResult, ...] | None = Field(
        default=None, description="Behavioural tests; None: not run."
    )
    unseen: UnseenPublishers | None = Field(
        default=None, description="Quality on the publishers held out for the test split; None: too few are."
    )
    parity: Parity | None = Field(
        default=None, description="Error rates by group; None: the groups of too few publishers are known."
    )
    deferred_share: float | None = Field(
        default=None,
        description="Share of the test rows that a cascade left to its second stage; None: it is no cascade.",
    )
    selection_macro_f1: float | None = Field(
        default=None, description="Macro-F1 on the selection split, which decides between candidates."
    )
    selection_unseen_roc_auc: float | None = Field(
        default=None, description="ROC AUC on the publishers held out for it; None: too few are."
    )


def evaluate(
    classifier: Classifier,
    test: pl.DataFrame,
    config: EvaluationConfig,
    model_folder: Path,
    *,
    data_note: str | None = None,
    calibration: Calibration | None = None,
    ood_limits: OodLimits | None = None,
) -> tuple[Evaluation, pl.DataFrame]:
    """Predict the test split once, compute the metrics, then measure speed.

    Args:
        classifier: the candidate, loaded; with a calibration, a `CalibratedClassifier`.
        test: columns of `ARTICLE_SCHEMA`, every row labelled, and `cluster_id` if near-duplicates are
            known: the intervals then draw whole clusters.
        config: settings.
        model_folder: the candidate's files, for their size and parameters.
        data_note: carried to every report; `corpus.data_note` says what for the sample corpus.
        calibration: of the classifier; its threshold must be the configured one.
        ood_limits: of the classifier, for the record.

    Returns:
        The evaluation, and the predictions behind it (`LABELLED_PREDICTION_SCHEMA`, in the order of `test`).

    Raises:
        ValueError: the test split is empty, unlabelled in part, or lacks a column; or the classifier
            decides at another threshold than the configured one or answers inside the calibration's band.
        FileNotFoundError: the model folder holds no file.
    """
    _require_usable(test)
    report(0, len(test), "articles", "predicting the test split")
    predictions = predict_table(classifier, test)
    _require_threshold(predictions, config.threshold, classifier.name)
    if calibration is not None:
        _require_calibrated(predictions, calibration, config.threshold, classifier.name)
    labels, probabilities = predictions["true_label"].to_numpy(), predictions["probability"].to_numpy()
    answered = ~predictions["abstained"].to_numpy()
    metrics = Metrics.of(labels, probabilities, config.threshold)
    answered_metrics = None
    if answered.any():
        answered_metrics = Metrics.of(labels[answered], probabilities[answered], config.threshold)
    before = Metrics.of(labels, undo_temperature(calibration, probabilities)) if calibration else None
    clusters = test["cluster_id"] if "cluster_id" in test.columns else None
    resampling = {
        "threshold": config.threshold,
        "resamples": config.resamples,
        "level": config.level,
        "seed": config.seed,
    }
    timed = test.sample(min(_SPEED_ARTICLES, test.height), shuffle=True, seed=config.seed)
    report(unit="articles", note="measuring speed")
    speed = measure_speed(classifier, articles_of(timed), config.speed)
    report(note="drawing resamples")
    evaluation = Evaluation(
        candidate=classifier.name,
        note=data_note,
        config=config,
        rows=test.height,
        clusters=None if clusters is None else clusters.n_unique(),
        abstained=int(predictions["abstained"].sum()),
        metrics=metrics,
        intervals=bootstrap_intervals(
            labels, probabilities, clusters=None if clusters is None else clusters.to_numpy(), **resampling
        ),
        slices=score_slices(test.with_columns(predictions["probability"]), config.slices, **resampling),
        speed=speed,
        bytes_on_disk=folder_bytes(model_folder),
        parameters=parameter_count(model_folder),
        answered=answered_metrics,
        calibration=calibration,
        log_loss_uncalibrated=before.log_loss if before else None,
        ece_uncalibrated=before.ece if before else None,
        ood_limits=ood_limits,
        out_of_distribution=int(predictions["out_of_distribution"].sum()),
        risk_coverage=RiskCoverage.of(labels, probabilities, config.threshold),
    )
    return evaluation, predictions


def _require_usable(test: pl.DataFrame) -> None:
    missing = [name for name in ARTICLE_SCHEMA.names() if name not in test.columns]
    if missing:
        raise ValueError(f"The test split lacks the columns {', '.join(missing)}.")
    if test.is_empty():
        raise ValueError("The test split is empty; ingest more articles, then materialize the splits.")
    unlabelled = test["label"].null_count()
    if unlabelled:
        raise ValueError(
            f"{unlabelled} of {test.height} test rows have no label; keep unlabelled articles out of the splits."
        )


def _require_threshold(predictions: pl.DataFrame, threshold: float, candidate: str) -> None:
    """Raise if the classifier decides at another threshold."""
    other = predictions.filter(
        (pl.col("probability") >= threshold) != (pl.col("predicted_label") == 1)
    ).height
    if other:
        raise ValueError(
            f"{candidate} contradicts the threshold {threshold:g} on {other} of {predictions.height} rows; "
            f"set EvaluationConfig.threshold to the classifier's own."
        )


def _require_calibrated(
    predictions: pl.DataFrame, calibration: Calibration, threshold: float, candidate: str
) -> None:
    """Raise if the classifier does not apply the calibration."""
    if threshold != calibration.threshold:
        raise ValueError(
            f"The configured threshold is {threshold:g} and the calibrated one {calibration.threshold:g}; "
            "set EvaluationConfig.threshold to the calibration's."
        )
    silent = predictions["abstained"].to_numpy()
    answers = int((inside_band(calibration, predictions["probability"].to_numpy()) & ~silent).sum())
    if answers:
        raise ValueError(
            f"{candidate} answers {answers} of {predictions.height} rows inside the calibration's band; "
            "evaluate CalibratedClassifier(classifier, calibration)."
        )
