"""Measures the quality of answers by labels that arrived later."""

from collections.abc import Mapping
from typing import ClassVar, Final, Literal

import polars as pl
from pydantic import Field

from fakenews_assets.common.records import StoredRecord
from fakenews_assets.evaluation.evaluating import Evaluation
from fakenews_assets.models.bootstrap import (
    Interval,
    MetricName,
    bootstrap_intervals,
    macro_f1_of_counts,
)
from fakenews_assets.models.metrics import Metrics
from fakenews_assets.models.predictions import LABELLED_PREDICTION_SCHEMA, PREDICTION_SCHEMA
from fakenews_assets.monitoring.drift.reference import Reference
from fakenews_assets.monitoring.log.records import labels_in_force
from fakenews_assets.monitoring.settings import PerformanceSettings
from fakenews_assets.monitoring.windows import JUDGED_ENDPOINTS, last_model
from fakenews_resources.storage.store import Store

BATCH_LABEL_SCHEMA: Final = pl.Schema(
    {"article_id": pl.String, "true_label": pl.Int8, "time": pl.Datetime("ms", "UTC"), "origin": pl.String}
)
"""Columns of labels that came from batches: of which article, what it is, when it became known, and from where."""

LABELLED_ANSWER_SCHEMA: Final = pl.Schema(
    {**LABELLED_PREDICTION_SCHEMA, "origin": pl.String, "model_id": pl.String}
)
"""Columns of answers with their late labels, a row per article. `origin` is `feedback` or `batch`."""


Standing = Literal[
    "dropped", "lower, perhaps beyond tolerance", "lower, within tolerance", "as evaluated", "higher"
]
"""Quality beside the evaluation's: the interval below what is tolerated; below the evaluation's, in part or wholly above
what is tolerated; around the evaluation's; above it."""


class PerformanceVerdict(StoredRecord):
    """The verdict of a day's report, in numbers."""

    file: ClassVar[str] = "performance.json"

    model_id: str | None = Field(description="Bundle whose answers are judged; None: there were no answers.")
    candidate: str | None
    labels: Mapping[str, int] = Field(
        description="Articles with a label by its origin, `feedback` or `batch`; each article counts once."
    )
    by_other_models: int = Field(description="Labels of earlier models' answers; left out.")
    min_labels: int
    max_drop_points: float
    metrics: Metrics | None = Field(description="None: too few labels to say.")
    intervals: dict[MetricName, Interval | None] = Field(default_factory=dict)
    evaluated: Metrics | None = Field(description="The same model on its test split.")
    data_note: str | None = None

    @property
    def rows(self) -> int:
        """Articles with a label."""
        return sum(self.labels.values())

    @property
    def measure(self) -> Literal["macro_f1", "accuracy"]:
        """The deciding metric: macro-F1, or accuracy if the labels are of one class only."""
        return "accuracy" if self.metrics is None or self.metrics.macro_f1 is None else "macro_f1"

    @property
    def value(self) -> float | None:
        """The deciding metric by late labels. None: too few."""
        return None if self.metrics is None else getattr(self.metrics, self.measure)

    @property
    def tolerated(self) -> float | None:
        """The lowest value that is no drop. None: see `expected`."""
        return None if self.expected is None else self.expected - self.max_drop_points / 100

    @property
    def expected(self) -> float | None:
        """The deciding metric of the evaluated model on articles of which as many are fake as of the labelled ones.

        Macro-F1 and accuracy depend on the share of fakes; how often either class is recognised does not. None: too few
        labels to say, or the evaluation lacks a class.
        """
        if self.metrics is None or self.evaluated is None:
            return None
        rows, fake, real = self.metrics.rows, self.metrics.fake.rows, self.metrics.real.rows
        recall_fake, recall_real = self.evaluated.fake.recall, self.evaluated.real.recall
        if (recall_fake is None and fake) or (recall_real is None and real):
            return None
        hits, right_real = fake * (recall_fake or 0), real * (recall_real or 0)
        if self.measure == "accuracy":
            return (hits + right_real) / rows
        return float(macro_f1_of_counts(rows, fake, hits + real - right_real, hits))

    @property
    def drop_points(self) -> float | None:
        """Points below what is expected, negative above it. None: too few labels to say."""
        if self.value is None or self.expected is None:
            return None
        return 100 * (self.expected - self.value)

    @property
    def dropped(self) -> bool | None:
        """Whether quality is below what is expected by more than is tolerated, over the whole interval."""
        interval = self.intervals.get(self.measure)
        if self.tolerated is None or interval is None:
            return None
        return interval.high < self.tolerated

    @property
    def standing(self) -> Standing | None:
        """Where the interval lies. None: too few labels to say, or not comparable."""
        interval = self.intervals.get(self.measure)
        if self.expected is None or self.tolerated is None or interval is None:
            return None
        if self.dropped:
            return "dropped"
        if interval.high < self.expected:
            within = interval.low >= self.tolerated
            return "lower, within tolerance" if within else "lower, perhaps beyond tolerance"
        return "higher" if interval.low > self.expected else "as evaluated"

    @property
    def lower(self) -> bool:
        """Whether the interval lies below what is expected, but not below what is tolerated."""
        return self.standing in ("lower, perhaps beyond tolerance", "lower, within tolerance")

    @property
    def summary(self) -> str:
        """One sentence."""
        if self.value is None or self.evaluated is None:
            return f"Too few labels for a verdict: {self.rows}, {self.min_labels} are needed."
        interval = self.intervals.get(self.measure)
        span = f" ({interval.low:.3f} to {interval.high:.3f})" if interval else ""
        name = {"macro_f1": "macro-F1", "accuracy": "accuracy"}[self.measure]
        then = ""
        if self.expected is not None:
            then = f"; {self.expected:.3f} by the evaluation at this share of fakes, {self.tolerated:.3f} is tolerated"
        judged = self.standing or "not comparable"
        return f"{name} {self.value:.3f}{span} on {self.rows:,} labelled articles{then}: {judged}."


def report_performance(
    store: Store,
    answers: pl.LazyFrame,
    feedback: pl.LazyFrame,
    batches: pl.LazyFrame,
    settings: PerformanceSettings,
) -> PerformanceVerdict:
    """Compare the last answering model's answers with the labels that came after them.

    Args:
        store: holds the model's bundle and its evaluation.
        answers: columns of `PREDICTION_LOG_SCHEMA`, in order of time.
        feedback: columns of `FEEDBACK_SCHEMA`.
        batches: columns of `BATCH_LABEL_SCHEMA`.
        settings: how.

    Raises:
        BundleError, ValueMissing: see `Reference.of`.
    """
    model_id = last_model(answers)
    reference = Reference.of(store, model_id) if model_id else None
    return judge_performance(
        join_labels(answers, feedback, batches),
        model_id,
        reference.bundle.manifest.candidate if reference else None,
        reference.evaluation if reference else None,
        settings,
    )


def join_labels(answers: pl.LazyFrame, feedback: pl.LazyFrame, batches: pl.LazyFrame) -> pl.DataFrame:
    """Join answers with the labels that arrived after them.

    A label counts for the last answer before it, so that no model is judged on an article that it may have been
    trained on. For one article a batch counts more than feedback, and a later label more than an earlier one.

    Args:
        answers: columns of `PREDICTION_LOG_SCHEMA`.
        feedback: columns of `FEEDBACK_SCHEMA`.
        batches: columns of `BATCH_LABEL_SCHEMA`.

    Returns:
        Columns of `LABELLED_ANSWER_SCHEMA`.
    """
    given = answers.filter(pl.col("endpoint").is_in(JUDGED_ENDPOINTS)).select(
        *PREDICTION_SCHEMA, "request_id", "row", "model_id", answered="time"
    )
    said = (
        labels_in_force(feedback)
        .select("request_id", "row", "true_label", "time")
        .with_columns(origin=pl.lit("feedback"))
    )
    by_request = given.join(said, on=["request_id", "row"])
    by_article = given.join(batches, on="article_id").filter(pl.col("answered") < pl.col("time"))
    return (
        pl.concat([by_request, by_article], how="diagonal")
        .sort(pl.col("origin") == "batch", "time", "answered")
        .unique("article_id", keep="last", maintain_order=True)
        .select(*LABELLED_ANSWER_SCHEMA)
        .collect()
    )


def judge_performance(
    labelled: pl.DataFrame,
    model_id: str | None,
    candidate: str | None,
    evaluated: Evaluation | None,
    settings: PerformanceSettings,
) -> PerformanceVerdict:
    """Compare a model's labelled answers with its evaluation.

    Args:
        labelled: what `join_labels` returned.
        model_id: the model to judge; None if nothing was answered.
        candidate: its name.
        evaluated: its evaluation.
        settings: how.
    """
    own = labelled.filter(pl.col("model_id") == model_id) if model_id else labelled.clear()
    verdict = PerformanceVerdict(
        model_id=model_id,
        candidate=candidate,
        labels=dict(own["origin"].value_counts().iter_rows()),
        by_other_models=labelled.height - own.height,
        min_labels=settings.min_labels,
        max_drop_points=settings.max_drop_points,
        metrics=None,
        evaluated=evaluated.metrics if evaluated else None,
        data_note=evaluated.note if evaluated else None,
    )
    if evaluated is None or own.height < settings.min_labels:
        return verdict
    labels, probability = own["true_label"].to_numpy(), own["probability"].to_numpy()
    threshold = evaluated.metrics.threshold
    return verdict.model_copy(
        update={
            "metrics": Metrics.of(labels, probability, threshold),
            "intervals": bootstrap_intervals(
                labels,
                probability,
                threshold=threshold,
                resamples=settings.resamples,
                level=settings.level,
                seed=settings.seed,
            ),
        }
    )
