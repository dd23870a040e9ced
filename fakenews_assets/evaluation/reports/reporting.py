"""Writes and reads evaluations, and reports them in Markdown."""

import re
from pathlib import Path

import polars as pl
from matplotlib.figure import Figure

from fakenews_assets.common import markdown
from fakenews_assets.common.plotting import to_png
from fakenews_assets.evaluation.evaluating import Evaluation
from fakenews_assets.evaluation.metrics.speed import length_name
from fakenews_assets.evaluation.reports.plots import (
    confusion_plot,
    curves_plot,
    reliability_plot,
    risk_coverage_plot,
    score_plot,
    slice_plot,
)
from fakenews_assets.evaluation.robustness.report import behaviour_markdown, masked_markdown
from fakenews_assets.evaluation.unseen.report import parity_markdown, publishers_plot, unseen_markdown
from fakenews_assets.models.bootstrap import Interval

EVALUATION_FILE = "evaluation.json"
PREDICTIONS_FILE = "predictions.parquet"
"""Predictions of the test articles whose publishers the model has seen, which the scores are of."""
UNSEEN_FILE = "unseen.parquet"
"""Predictions of the test articles of held-out publishers."""
SELECTION_FILE = "selection.parquet"
"""Predictions of the whole selection split."""
REPORT_FILE = "evaluation.md"
CHIEF_PLOT = "reliability"
"""The plot to look at first; every evaluation has it."""


def evaluation_plots(evaluation: Evaluation, predictions: pl.DataFrame) -> dict[str, Figure]:
    """Draw every figure that the test split allows, by file name without suffix.

    The curves need both classes and are left out of a split that has one.
    """
    metrics = evaluation.metrics
    figures = {
        CHIEF_PLOT: reliability_plot(predictions, metrics),
        "confusion": confusion_plot(metrics.confusion),
        "scores": score_plot(predictions, metrics.threshold),
    }
    if metrics.roc_auc is not None:
        figures["curves"] = curves_plot(predictions, metrics)
    figures["risk_coverage"] = risk_coverage_plot(predictions, evaluation.risk_coverage, metrics.threshold)
    figures["slices"] = slice_plot(evaluation.slices, metrics.accuracy)
    if evaluation.unseen is not None:
        figures["unseen_publishers"] = publishers_plot(evaluation.unseen)
    return figures


def write_evaluation(evaluation: Evaluation, predictions: pl.DataFrame, folder: Path) -> None:
    """Write `evaluation.json`, `predictions.parquet`, one PNG per figure and `evaluation.md`.

    The files are written one after the other: hand over a fresh folder and publish it as a whole.

    Args:
        evaluation: what to report.
        predictions: the table that `evaluate` returned with it.
        folder: receives the files; made if missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / EVALUATION_FILE).write_text(evaluation.model_dump_json(indent=2) + "\n", encoding="utf-8")
    predictions.write_parquet(folder / PREDICTIONS_FILE)
    images = []
    for name, figure in evaluation_plots(evaluation, predictions).items():
        (folder / f"{name}.png").write_bytes(to_png(figure))
        images.append(f"![{name}]({name}.png)")
    report = "\n\n".join([to_markdown(evaluation), *images])
    (folder / REPORT_FILE).write_text(report + "\n", encoding="utf-8")


def stored_plots(folder: Path) -> dict[str, bytes]:
    """PNG bytes of the plots that `write_evaluation` wrote, by name, in the order of the report."""
    report = (folder / REPORT_FILE).read_text(encoding="utf-8")
    names = re.findall(r"^!\[(\w+)\]\(\1\.png\)$", report, re.MULTILINE)
    return {name: (folder / f"{name}.png").read_bytes() for name in names}


def read_evaluation(folder: Path) -> Evaluation:
    """Read back what `write_evaluation` wrote.

    Raises:
        FileNotFoundError: the folder holds no evaluation.
        pydantic.ValidationError: the file is not an evaluation of this version.
    """
    return Evaluation.model_validate_json((folder / EVALUATION_FILE).read_bytes())


def to_markdown(evaluation: Evaluation) -> str:
    """Report an evaluation as Markdown tables, without figures."""
    metrics, speed = evaluation.metrics, evaluation.speed
    drawn = f"{evaluation.clusters:,} near-duplicate clusters" if evaluation.clusters else "rows"
    interval_head = f"{evaluation.config.level:.0%} interval"
    parts = [f"## Scores of {markdown.cell(evaluation.candidate)}"]
    if evaluation.note:
        parts.append(f"> **{evaluation.note}**")
    parts += [
        *unseen_markdown(evaluation.unseen),
        *parity_markdown(evaluation.parity),
        "### Publishers that it was trained on",
        f"{evaluation.rows:,} test articles.",
        markdown.table(
            ("metric", "value", interval_head),
            [
                ("accuracy", _number(metrics.accuracy), _span(evaluation.intervals.get("accuracy"))),
                ("macro-F1", _number(metrics.macro_f1), _span(evaluation.intervals.get("macro_f1"))),
                ("ROC-AUC", _number(metrics.roc_auc), _span(evaluation.intervals.get("roc_auc"))),
                ("PR-AUC", _number(metrics.pr_auc), _span(evaluation.intervals.get("pr_auc"))),
                ("log loss", _number(metrics.log_loss), _span(evaluation.intervals.get("log_loss"))),
                ("Brier score", _number(metrics.brier), _span(evaluation.intervals.get("brier"))),
                ("ECE", _number(metrics.ece), ""),
            ],
        ),
        markdown.table(
            ("class", "precision", "recall", "F1", "articles"),
            [
                (name, _number(one.precision), _number(one.recall), _number(one.f1), f"{one.rows:,}")
                for name, one in (("real", metrics.real), ("fake", metrics.fake))
            ],
        ),
        f"Threshold {metrics.threshold:g}; the metrics include {evaluation.abstained:,} abstained articles. "
        f"Intervals: {evaluation.config.resamples:,} bootstrap resamples of {drawn}.",
        *_calibration(evaluation),
        *_selective(evaluation),
        *_ood(evaluation),
        "### Slices",
        markdown.table(
            ("dimension", "slice", "articles", "fake", "accuracy", interval_head, "macro-F1", interval_head),
            [
                (
                    one.dimension,
                    markdown.cell(one.name),
                    f"{one.rows:,}",
                    f"{one.fake_share:.0%}",
                    _number(one.accuracy),
                    "too few" if one.too_few else _span(one.accuracy_interval),
                    _number(one.macro_f1),
                    "too few" if one.too_few else _span(one.macro_f1_interval),
                )
                for one in evaluation.slices
            ],
        ),
        *masked_markdown(evaluation.masked),
        *behaviour_markdown(evaluation.behaviour),
        "### Speed and size",
        markdown.table(
            ("measure", "value"),
            [
                ("latency of one article, median", f"{speed.latency_p50_ms:.2f} ms"),
                ("latency of one article, 95th percentile", f"{speed.latency_p95_ms:.2f} ms"),
                *(
                    (f"latency of {length_name(words)}, median", f"{latency:.2f} ms")
                    for words, latency in speed.latency_ms_by_words.items()
                ),
                ("throughput at batch 32", f"{speed.rows_per_second:,.0f} articles/s"),
                ("size on disk", f"{evaluation.bytes_on_disk / 1e6:,.1f} MB"),
                ("parameters", "unknown" if evaluation.parameters is None else f"{evaluation.parameters:,}"),
            ],
        ),
        f"Measured over {speed.single_repetitions:,} single predictions and {speed.batch_repetitions:,} batches, "
        f"{speed.threads} thread{'s' if speed.threads > 1 else ''}, {speed.processor}.",
        *_stages(evaluation),
    ]
    return "\n\n".join(parts)


def _stages(evaluation: Evaluation) -> list[str]:
    if evaluation.deferred_share is None:
        return []
    return [
        f"The first stage answered {1 - evaluation.deferred_share:.1%} of the test articles, and left the others to the"
        " second. Articles of other kinds may be left to it more often, and then take longer."
    ]


def _calibration(evaluation: Evaluation) -> list[str]:
    """Describe the calibration, and whether it reaches its target on the test rows."""
    calibration, answered = evaluation.calibration, evaluation.answered
    if calibration is None:
        return []
    metrics, rows = evaluation.metrics, f"{calibration.rows:,} validation articles"
    parts = [
        "### Calibration",
        f"The model's log odds are divided by {calibration.temperature:.3f}, the temperature fitted on {rows}. "
        f"On the test articles this moves the log loss from {_number(evaluation.log_loss_uncalibrated)} to "
        f"{_number(metrics.log_loss)} and the ECE from {_number(evaluation.ece_uncalibrated)} to "
        f"{_number(metrics.ece)}.",
    ]
    always = (
        "The model always answers"
        if evaluation.ood_limits is None
        else "The model answers, however uncertain it is"
    )
    if calibration.target_precision is None or calibration.confidence is None:
        return [*parts, f"{always}."]
    target = f"{calibration.target_precision:.1%}"
    band = always
    if calibration.abstain_low < calibration.abstain_high:
        uncertain = evaluation.abstained - evaluation.out_of_distribution
        more = (
            f" beside {evaluation.out_of_distribution:,} out-of-distribution ones"
            if evaluation.out_of_distribution
            else ""
        )
        band = (
            f"The model abstains between {calibration.abstain_low:.3f} and {calibration.abstain_high:.3f}: "
            f"on {uncertain:,} of {evaluation.rows:,} test articles{more}"
        )
    parts.append(
        f"{band}. Target: {target} of the answers are right, for each class. The promises hold for new articles like the"
        f" validation articles, both with {calibration.confidence:.0%} confidence."
    )
    if calibration.short_of_target:
        names = " and ".join(f"“{name}”" for name in calibration.short_of_target)
        parts.append(f"**The validation articles do not support the target for {names}. Less is promised.**")
    table = markdown.table(
        ("articles with an answer", "promised", "test"),
        [
            (
                "share of all",
                "",
                f"{1 - evaluation.abstained / evaluation.rows:.1%}",
            ),
            ("accuracy", "", _number(answered.accuracy if answered else None)),
            (
                "precision of “real”",
                _number(calibration.promised_real),
                _number(answered.real.precision if answered else None),
            ),
            (
                "precision of “fake”",
                _number(calibration.promised_fake),
                _number(answered.fake.precision if answered else None),
            ),
        ],
    )
    return [*parts, table]


def _selective(evaluation: Evaluation) -> list[str]:
    """Error rate among the most confident answers."""
    measured = evaluation.risk_coverage
    return [
        "### Risk and coverage",
        "Error rate if the model answered only the articles of which it is most confident:",
        markdown.table(
            ("share answered", *(f"{share:.0%}" for share in measured.risks)),
            [("error rate", *(f"{risk:.2%}" for risk in measured.risks.values()))],
        ),
        f"Area under the risk-coverage curve (AURC) {measured.aurc:.4f}; {measured.lowest_aurc:.4f} with a "
        "perfect ranking.",
    ]


def _ood(evaluation: Evaluation) -> list[str]:
    """Describe the out-of-distribution limits, and how many test articles exceed them."""
    limits = evaluation.ood_limits
    if limits is None:
        return []
    read = "title and text" if limits.reads_text else "title"
    measures = (
        f"the {read} may have a character surprise of at most {limits.char_surprise:.2f} nats per run of "
        "five characters"
    )
    if limits.embedding_distance is None:
        measures += ". This model has no embedding, so it does not notice other kinds of English"
    else:
        measures += f", and the embedding a Mahalanobis distance of at most {limits.embedding_distance:.1f}"
    return [
        "### Out-of-distribution articles",
        f"The model abstains on articles unlike its training articles: {measures}. The limits were set to "
        f"refuse at most {limits.refused_share:.2%} of {limits.validation_rows:,} validation articles, "
        f"and refuse {limits.refused_on_validation:.2%} of them. On the test split they refuse"
        f" {evaluation.out_of_distribution:,}"
        f" ({evaluation.out_of_distribution / evaluation.rows:.2%}).",
    ]


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"


def _span(interval: Interval | None) -> str:
    return "undefined" if interval is None else f"{interval.low:.4f} to {interval.high:.4f}"
