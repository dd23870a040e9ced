"""Recomputes metrics from predictions, and predictions from the model."""

from collections.abc import Collection
from typing import Any, Final

import numpy as np
import polars as pl

from fakenews_assets.data.splits.splitting import seen_rows, unseen_rows
from fakenews_assets.evaluation.evaluating import Evaluation
from fakenews_assets.evaluation.metrics.agreement import ask_again
from fakenews_assets.evaluation.reports.reporting import (
    EVALUATION_FILE,
    PREDICTIONS_FILE,
    SELECTION_FILE,
    UNSEEN_FILE,
    read_evaluation,
)
from fakenews_assets.evaluation.unseen.publishers import unseen_roc_auc
from fakenews_assets.governance.audit.audit_log import AuditLog, shown
from fakenews_assets.governance.audit.data import difference
from fakenews_assets.governance.audit.versions import Versions
from fakenews_assets.models.bootstrap import macro_f1_of_predictions
from fakenews_assets.models.calibration import Calibration, inside_band
from fakenews_assets.models.classifier import Classifier
from fakenews_assets.models.metrics import Metrics
from fakenews_assets.registry.bundle import Bundle, Manifest, load_bundled

_ROUNDING: Final = 1e-9


def audit_evaluation(
    audit_log: AuditLog, manifest: Manifest, versions: Versions, bundle: Bundle | None
) -> None:
    """Recompute the metrics, and all predictions.

    Args:
        audit_log: receives the checks.
        manifest: of the bundle.
        versions: what it was made of.
        bundle: the bundle, if it is intact.
    """
    key = f"evaluation/{manifest.candidate}"
    stored, splits = versions.readable.get(key), versions.readable.get("splits")
    if stored is None:
        return  # said already
    with audit_log.reading("metrics", key, recorded=EVALUATION_FILE):
        predictions = pl.read_parquet(stored.path / PREDICTIONS_FILE)
        evaluation = read_evaluation(stored.path)
        audit_log.compare(
            "candidate", key, manifest.candidate, evaluation.candidate, "it is of another candidate"
        )
        _audit_metrics(audit_log, key, evaluation.metrics, predictions)
        if evaluation.answered is not None:
            answered = predictions.filter(~pl.col("abstained"))
            _audit_metrics(audit_log, f"{key} answered", evaluation.answered, answered)
        fault = undecided(manifest.calibration, predictions)
        audit_log.agree("decisions", key, f"{predictions.height:,} answers", fault)
        if splits is None:
            return
        test, erased = seen_rows(splits, "test").collect(), versions.ledger.erased
        held_out, selection = unseen_rows(splits, "test").collect(), splits.scan("selection").collect()
        unseen, chosen_on = (pl.read_parquet(stored.path / file) for file in (UNSEEN_FILE, SELECTION_FILE))
        classifier = load_bundled(bundle) if bundle else None
        sound = [
            _audit_table(audit_log, split, f"{key} {file}", table, articles, classifier, erased)
            for split, file, table, articles in (
                ("test split", PREDICTIONS_FILE, predictions, test),
                ("test split", UNSEEN_FILE, unseen, held_out),
                ("selection split", SELECTION_FILE, chosen_on, selection),
            )
        ]
        if all(sound[1:]):
            _audit_unseen(audit_log, key, evaluation, unseen, held_out, chosen_on, selection, erased)


def _audit_table(
    audit_log: AuditLog,
    split: str,
    name: str,
    predictions: pl.DataFrame,
    articles: pl.DataFrame,
    classifier: Classifier | None,
    erased: Collection[str],
) -> bool:
    """Compare a table of predictions with its split, article by article, and with what the model predicts now.

    Returns:
        Whether the table is of these articles.
    """
    labelled = articles.select("article_id", true_label="label")
    fault = difference(predictions.select("article_id", "true_label"), labelled)
    audit_log.agree(split, name, f"{articles.height:,} articles", fault)
    left = ~articles["article_id"].is_in(list(erased))  # of the others nobody can be asked
    if not fault and classifier is not None and left.any():
        asked = ask_again(classifier, classifier.name, predictions.filter(left), articles.filter(left))
        recorded = f"{asked.articles:,} articles, within {asked.allowed:g}"
        audit_log.add("predictions", name, recorded, f"largest difference {asked.largest:.2g}", asked.fault)
    return not fault


def _audit_unseen(
    audit_log: AuditLog,
    key: str,
    evaluation: Evaluation,
    unseen: pl.DataFrame,
    held_out: pl.DataFrame,
    chosen_on: pl.DataFrame,
    selection: pl.DataFrame,
    erased: Collection[str],
) -> None:
    """Recompute the scores on unseen publishers, and those that decided between the candidates.

    Args:
        audit_log: receives the checks.
        key: of the evaluation.
        evaluation: as recorded.
        unseen: the predictions for `held_out`.
        held_out: the test articles of unseen publishers.
        chosen_on: the predictions for `selection`.
        selection: the selection split.
        erased: ids of articles.
    """
    is_unseen = selection["unseen_publisher"]
    decided = macro_f1_of_predictions(chosen_on.filter(~is_unseen))
    _audit_score(audit_log, f"{key} macro-F1, selection split", evaluation.selection_macro_f1, decided)
    ids = pl.concat([held_out["article_id"], selection.filter(is_unseen)["article_id"]])
    if lost := int(ids.is_in(list(erased)).sum()):
        # Only articles with a text count, and an erased one has none.
        audit_log.skip(f"The scores on unseen publishers, {lost} of whose articles are erased.", lost)
        return
    of_selection = chosen_on.filter(is_unseen)["probability"]
    reported = evaluation.unseen.roc_auc if evaluation.unseen else None
    found = unseen_roc_auc(held_out, unseen["probability"])
    _audit_score(audit_log, f"{key} ROC AUC on unseen publishers", reported, found)
    found = unseen_roc_auc(selection.filter(is_unseen), of_selection)
    name = f"{key} ROC AUC on unseen publishers, selection split"
    _audit_score(audit_log, name, evaluation.selection_unseen_roc_auc, found)


def _audit_score(audit_log: AuditLog, name: str, recorded: float | None, found: float | None) -> None:
    fault = "" if _same(recorded, found) else "not that of its predictions"
    audit_log.add("metrics", name, str(recorded), str(found), fault)


def undecided(calibration: Calibration, answers: pl.DataFrame) -> str:
    """Answers whose label or abstention contradicts their probability; empty: none.

    Outside the band only an out-of-distribution article has no answer.

    Args:
        calibration: the bundle's.
        answers: columns of `PREDICTION_SCHEMA`.
    """
    out_of_distribution = answers["out_of_distribution"].to_numpy()
    probability = answers["probability"].to_numpy()
    label = (probability >= calibration.threshold).astype(np.int8)
    silent = inside_band(calibration, probability)
    abstained = answers["abstained"].to_numpy()
    wrong = (label != answers["predicted_label"].to_numpy()) | ((silent | out_of_distribution) != abstained)
    if not wrong.any():
        return ""
    first = answers.row(int(wrong.argmax()), named=True)
    return (
        f"{int(wrong.sum()):,} answers do not follow from their probability, first {first['article_id']}:"
        f" {first['probability']:.4f} called {first['predicted_label']}, abstained: {first['abstained']},"
        f" out of distribution: {first['out_of_distribution']}"
    )


def _audit_metrics(audit_log: AuditLog, name: str, recorded: Metrics, predictions: pl.DataFrame) -> None:
    found = Metrics.of(
        predictions["true_label"].to_numpy(), predictions["probability"].to_numpy(), recorded.threshold
    )
    was, now = _flat(recorded.model_dump()), _flat(found.model_dump())
    wrong = [f"{key} is {was[key]}, computed {now[key]}" for key in was if not _same(was[key], now[key])]
    fault = f"not those of its predictions: {shown(wrong)}" if wrong else ""
    audit_log.add(
        "metrics", name, f"accuracy {recorded.accuracy:.6f}", f"accuracy {found.accuracy:.6f}", fault
    )


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested numbers by dotted name."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def _same(was: float | None, now: float | None) -> bool:
    """Equal up to the rounding of another library version."""
    return was == now or (was is not None and now is not None and abs(was - now) <= _ROUNDING)
