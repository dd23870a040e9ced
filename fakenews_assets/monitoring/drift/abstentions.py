"""Compares the shares of abstentions and of deferred articles with those on the model's test split."""

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import hypergeom

from fakenews_assets.monitoring.drift.verdict import Abstentions, Deferrals
from fakenews_assets.monitoring.settings import DriftSettings


def compare_abstentions(
    window: pl.DataFrame, reference: pl.DataFrame, settings: DriftSettings
) -> Abstentions:
    """Count the abstentions of both, and find from which share on the window's are too many.

    Args:
        window: columns of `PREDICTION_SCHEMA`, a row per article.
        reference: the same for the test split.
        settings: what is tolerated.
    """
    abstained, expected = int(window["abstained"].sum()), int(reference["abstained"].sum())
    return Abstentions(
        rows=window.height,
        abstained=abstained,
        out_of_distribution=int(window["out_of_distribution"].sum()),
        reference_rows=reference.height,
        reference_abstained=expected,
        tolerated=_tolerated(abstained, window.height, expected, reference.height, settings),
    )


def compare_deferrals(
    window: NDArray[np.bool_], reference: NDArray[np.bool_], settings: DriftSettings
) -> Deferrals:
    """Count what a cascade defers of both, and find from which share on the window's are too many.

    Args:
        window: whether an article is deferred, a row per article.
        reference: the same for the test split.
        settings: what is tolerated, as for abstentions.
    """
    deferred, expected = int(window.sum()), int(reference.sum())
    return Deferrals(
        rows=len(window),
        deferred=deferred,
        reference_rows=len(reference),
        reference_deferred=expected,
        tolerated=_tolerated(deferred, len(window), expected, len(reference), settings),
    )


def _tolerated(counted: int, rows: int, expected: int, reference_rows: int, settings: DriftSettings) -> float:
    """The share above which the window's is more than chance explains, and enough to matter."""
    return max(
        expected / reference_rows + settings.min_abstention_points / 100,
        chance_share(counted, rows, expected, reference_rows, settings.abstention_level),
    )


def chance_share(counted: int, rows: int, expected: int, reference_rows: int, level: float) -> float:
    """The share that a window exceeds with probability `level` at most if nothing has changed.

    Fisher's exact test (1935), one-sided: given all that are counted in window and reference, those in the window are
    hypergeometric, whatever the true share is.
    """
    most = hypergeom.isf(level, reference_rows + rows, expected + counted, rows)
    return float(most) / rows
