"""Makes a cascade of an ensemble: chooses how sure the linear model must be to answer alone."""

import shutil
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fakenews_assets.common import progress
from fakenews_assets.models.abstaining import precision_limit
from fakenews_assets.models.predictions import articles_of
from fakenews_assets.models.runtimes.cascade import Deferral
from fakenews_assets.models.runtimes.ensemble import EnsembleClassifier, probability_log_odds
from fakenews_assets.models.runtimes.loading import load_classifier

_STEPS: Final = 50
"""Margins that are tested, from the surest articles outwards."""


@dataclass(frozen=True)
class CascadeResult:
    """What a cascade does on the validation articles."""

    deferral: Deferral
    deferred_share: float
    lost: int
    """Articles that the linear model answers wrong and the ensemble right, of those that it answers."""
    loss_limit: float
    """What the share of such articles exceeds with probability 1 - `confidence` at most; 0: all are deferred."""
    fewest_articles: int
    """Validation articles that such a bound takes if none is lost."""


def make_cascade(
    ensemble: Path, val: pl.DataFrame, output: Path, *, max_loss: float, confidence: float
) -> CascadeResult:
    """Save a cascade: the ensemble's folder and `cascade.json`.

    Args:
        ensemble: folder of the ensemble, which becomes the second stage; its linear model is the first.
        val: validation articles, columns `title`, `text` and `label`. A model serves headlines as well as articles:
            the bound is kept on both.
        output: folder for the cascade.
        max_loss: share of articles that the cascade may answer wrong and the ensemble right.
        confidence: probability that it is no more, over draws of the validation articles.
    """
    classifier = load_classifier(ensemble)
    assert isinstance(classifier, EnsembleClassifier)
    # All rows, not only those that lose a text: a bound takes many.
    views = [val, val.with_columns(text=pl.lit(""))] if (val["text"] != "").any() else [val]
    progress.report(0, sum(map(len, views)), "articles", "predicting the validation split")
    scored = [_score(classifier, view) for view in views]
    of_linear, of_both, _ = (np.concatenate(parts) for parts in zip(*scored, strict=True))
    line = Deferral.fit_line(of_linear, of_both)
    alpha = (1 - confidence) / len(views)
    margins = [
        choose_margin(line.log_odds(linear), both, labels, max_loss=max_loss, alpha=alpha)
        for linear, both, labels in scored
    ]
    # The largest margin keeps the bound of every view: the rows that a stage answers are nested.
    margin = None if None in margins else max(one for one in margins if one is not None)
    deferral = line.model_copy(update={"margin": margin})
    shutil.copytree(ensemble, output, dirs_exist_ok=True)
    deferral.write(output)
    fewest = ceil(np.log(alpha) / np.log1p(-max_loss))
    return _result(deferral, *scored[0], alpha, fewest)


def choose_margin(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    labels: NDArray[np.int8],
    *,
    max_loss: float,
    alpha: float,
) -> float | None:
    """The smallest margin of the first stage whose loss against the second is bounded.

    Lost is an article that the first stage answers wrong and the second would answer right. Margins are tested from
    the surest article outwards by the upper Clopper-Pearson limit of the lost share of all articles, until one exceeds
    `max_loss`: fixed-sequence testing, as `choose_answers` does it.

    Args:
        first: log odds of the first stage, shape [n].
        second: log odds of the second, shape [n].
        labels: 1 for fake and 0 for real, shape [n].
        max_loss: allowed share of lost articles.
        alpha: probability of a larger loss than that, over draws of the articles.

    Returns:
        None: not even the surest articles are few enough mistakes, or there are too few to tell.
    """
    sureness = np.sort(np.abs(first))[::-1]
    sizes = np.unique(np.linspace(1, len(first), _STEPS).round().astype(int))
    margins = np.unique(sureness[sizes - 1])[::-1]
    lost = np.array([_lost(first, second, labels, margin) for margin in margins])
    kept = _loss_limit(lost, len(first), alpha) <= max_loss
    passed = int(np.argmin(np.append(kept, False)))
    return float(margins[passed - 1]) if passed else None


def _loss_limit(lost: NDArray[np.int64], rows: int, alpha: float) -> NDArray[np.float64]:
    """The upper Clopper-Pearson limit of the share of the lost: what the lower limit of the others leaves."""
    return 1 - precision_limit(rows - lost, np.full(len(lost), rows), alpha)


def _lost(
    first: NDArray[np.float64], second: NDArray[np.float64], labels: NDArray[np.int8], margin: float
) -> int:
    fake = labels == 1
    answered = np.abs(first) >= margin
    return int((answered & ((first >= 0) != fake) & ((second >= 0) == fake)).sum())


def _score(
    classifier: EnsembleClassifier, rows: pl.DataFrame
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int8]]:
    """Log odds of the linear model and of the ensemble, and the labels; shape [n] each."""
    articles = articles_of(rows)
    of_encoder = probability_log_odds(classifier.encoder.predict(articles).probability)
    of_linear = classifier.linear.log_odds(articles)
    return of_linear, classifier.combination.log_odds(of_encoder, of_linear), rows["label"].to_numpy()


def _result(
    deferral: Deferral,
    linear: NDArray[np.float64],
    both: NDArray[np.float64],
    labels: NDArray[np.int8],
    alpha: float,
    fewest: int,
) -> CascadeResult:
    first = deferral.log_odds(linear)
    share = float(deferral.deferred(first).mean())
    if deferral.margin is None:
        return CascadeResult(deferral, share, 0, 0.0, fewest)
    lost = _lost(first, both, labels, deferral.margin)
    (limit,) = _loss_limit(np.array([lost]), len(labels), alpha)
    return CascadeResult(deferral, share, lost, float(limit), fewest)
