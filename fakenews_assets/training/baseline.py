"""Tunes the linear baseline on the validation split."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from fakenews_assets.common import progress
from fakenews_assets.models.metrics import Metrics
from fakenews_assets.models.predictions import articles_of
from fakenews_assets.models.runtimes.linear import BaselineClassifier, fit_baselines
from fakenews_assets.models.settings import BaselineTuning

TUNING_FILE: Final = "tuning.json"


@dataclass(frozen=True)
class TunedBaseline:
    """The best of several fits."""

    classifier: BaselineClassifier
    roc_auc: float
    """Of the classifier on the validation split."""
    trials: pl.DataFrame
    """A row for each fit: its settings and its metrics on the validation split, in the order of the fits."""

    def save(self, folder: Path) -> None:
        """Write the classifier, and the table as `tuning.json`."""
        self.classifier.save(folder)
        self.trials.write_json(folder / TUNING_FILE)


def tune_baseline(train: pl.DataFrame, val: pl.DataFrame, settings: BaselineTuning) -> TunedBaseline:
    """Fit every combination, and keep the one with the highest ROC AUC on the validation split; the first of equals.

    The validation articles are of the same publishers as the training articles. Settings that recognise a publisher,
    such as case, look better here than they are on publishers never seen.

    Args:
        train: as `fit_baseline` takes it.
        val: the same of other articles.
        settings: what is tried.

    Raises:
        ValueError: see `fit_baseline`; or the validation split holds one label only.
    """
    combinations = settings.combinations()
    labels, articles = val["label"].to_numpy(), articles_of(val)
    best, best_auc, trials = None, -1.0, []
    progress.report(0, len(combinations), "fits")
    for done, classifier in enumerate(fit_baselines(train, combinations), start=1):
        metrics = Metrics.of(labels, classifier.predict(articles).probability)
        if metrics.roc_auc is None:
            raise ValueError("The validation split holds one label only. Ingest more labelled articles.")
        trials.append(
            {
                **classifier.settings.model_dump(include={"terms", "lowercase", "inverse_regularization"}),
                "roc_auc": metrics.roc_auc,
                "macro_f1": metrics.macro_f1,
                "log_loss": metrics.log_loss,
            }
        )
        if metrics.roc_auc > best_auc:
            best, best_auc = classifier, metrics.roc_auc
        progress.report(done, len(combinations), "fits", f"best ROC AUC {best_auc:.4f}")
    assert best is not None
    return TunedBaseline(best, best_auc, pl.DataFrame(trials))
