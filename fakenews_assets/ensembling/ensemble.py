"""Combines a trained encoder and the baseline into one model."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from scipy.special import expit

from fakenews_assets.common import progress
from fakenews_assets.models.metrics import Metrics
from fakenews_assets.models.predictions import articles_of
from fakenews_assets.models.runtimes.encoder import EncoderClassifier
from fakenews_assets.models.runtimes.ensemble import (
    ENCODER_FOLDER,
    LINEAR_FOLDER,
    Combination,
    probability_log_odds,
)
from fakenews_assets.models.runtimes.linear import BaselineClassifier
from fakenews_assets.models.runtimes.loading import load_classifier

_NOT_THE_MODEL: Final = shutil.ignore_patterns("training.json", "tuning.json")
"""Records of how the members were made, which their own versions keep."""


@dataclass(frozen=True)
class EnsembleResult:
    """An ensemble beside its members on the validation articles."""

    combination: Combination
    encoder_auc: float | None
    linear_auc: float | None
    ensemble_auc: float | None
    """ROC AUC; None: the articles are of one class."""
    correlation: float
    """Of the members' log odds. The lower it is, the more the ensemble can gain."""


def make_ensemble(
    encoder: Path, baseline: Path, val: pl.DataFrame, linear_weight: float, output: Path
) -> EnsembleResult:
    """Save an ensemble: `ensemble.json` with the combination, and the members' folders `encoder` and `linear`.

    Args:
        encoder: folder of an encoder in any runtime.
        baseline: folder of the linear model.
        val: validation articles, on which the scale of either member is measured; columns `title`, `text`, `label`.
        linear_weight: weight of the linear model's log odds; the rest is the encoder's.
        output: folder for the ensemble.
    """
    classifier, linear = load_classifier(encoder), BaselineClassifier.load(baseline)
    assert isinstance(classifier, EncoderClassifier)
    articles, labels = articles_of(val), val["label"].to_numpy()
    progress.report(0, len(val), "articles", "predicting the validation split")
    of_encoder = probability_log_odds(classifier.predict(articles).probability)
    of_linear = linear.log_odds(articles)
    combination = Combination.fit(of_encoder, of_linear, linear_weight=linear_weight)
    shutil.copytree(encoder, output / ENCODER_FOLDER, ignore=_NOT_THE_MODEL)
    shutil.copytree(baseline, output / LINEAR_FOLDER, ignore=_NOT_THE_MODEL)
    combination.write(output)
    both = combination.log_odds(of_encoder, of_linear)
    encoder_auc, linear_auc, ensemble_auc = (
        Metrics.of(labels, expit(odds)).roc_auc for odds in (of_encoder, of_linear, both)
    )
    return EnsembleResult(
        combination, encoder_auc, linear_auc, ensemble_auc, float(np.corrcoef(of_encoder, of_linear)[0, 1])
    )
