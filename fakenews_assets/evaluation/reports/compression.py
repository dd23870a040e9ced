"""Costs of distillation, pruning and quantization: each smaller model compared with its source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from fakenews_assets.common.plotting import (
    ACCENT_COLOUR,
    NEUTRAL_COLOUR,
    label_axes,
    new_figure,
    plain_label,
)
from fakenews_assets.compression.partitions import SOURCES, VARIANTS
from fakenews_assets.compression.settings import STATIC
from fakenews_assets.evaluation.evaluating import Evaluation
from fakenews_assets.evaluation.metrics.comparison import paired_bootstrap

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TEACHER: Final = "finetuned"

COST_SCHEMA: Final = pl.Schema(
    {
        "candidate": pl.String,
        "made_of": pl.String,
        "points": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
        "changed_share": pl.Float64,
        "speedup": pl.Float64,
        "size_share": pl.Float64,
    }
)
"""Columns of a cost table: points of macro-F1 gained or lost with their interval, the share of test articles whose
decision changed, articles per second and bytes on disk over those of the source."""


def compression_costs(
    evaluations: Mapping[str, Evaluation],
    predictions: Mapping[str, pl.DataFrame],
    clusters: pl.Series | None = None,
) -> pl.DataFrame:
    """Compare each smaller candidate with the one that it was made of.

    A student or a pruned model is compared with the fine-tuned one, an exported variant with its own source.

    Args:
        evaluations: by candidate, all on the same test split.
        predictions: by candidate, tables of `LABELLED_PREDICTION_SCHEMA` in the same order of rows.
        clusters: near-duplicate cluster of each row, which the interval draws whole; None: it draws rows.

    Returns:
        One row per pair of which both are there (`COST_SCHEMA`), in the order of `evaluations`.

    Raises:
        ValueError: see `paired_bootstrap`.
    """
    rows = []
    for candidate, own in evaluations.items():
        source = _source_of(candidate)
        if source is None or source not in evaluations:
            continue
        theirs = evaluations[source]
        before, after = predictions[source]["predicted_label"], predictions[candidate]["predicted_label"]
        gained = paired_bootstrap(predictions[source]["true_label"], before, after, clusters)
        rows.append(
            {
                "candidate": candidate,
                "made_of": source,
                "points": 100 * gained.difference,
                "low": 100 * gained.low,
                "high": 100 * gained.high,
                "changed_share": (before != after).mean(),
                "speedup": own.speed.rows_per_second / theirs.speed.rows_per_second,
                "size_share": own.bytes_on_disk / theirs.bytes_on_disk,
            }
        )
    return pl.DataFrame(rows, schema=COST_SCHEMA)


def compression_plot(costs: pl.DataFrame) -> Figure:
    """Draw the points of macro-F1 that each step cost, with what it bought written beside them.

    Args:
        costs: as `compression_costs` returns it.
    """
    figure, (axis,) = new_figure(7.6, 1.3 + 0.6 * max(costs.height, 1))
    axis.axvline(0, color=NEUTRAL_COLOUR, linestyle="--", linewidth=1)
    for place, row in enumerate(costs.iter_rows(named=True)):
        axis.hlines(place, row["low"], row["high"], color=ACCENT_COLOUR, linewidth=5, alpha=0.45)
        axis.plot(row["points"], place, "o", color=ACCENT_COLOUR, markersize=5.5)
        axis.annotate(
            f"{row['speedup']:.1f}x as fast, {row['size_share']:.0%} of the size,"
            f" {row['changed_share']:.1%} of the decisions changed",
            (0, place),
            xytext=(0, 8),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )
    pairs = costs.select("candidate", "made_of").rows()
    axis.set_yticks(range(costs.height), [f"{plain_label(own)}\nmade of {source}" for own, source in pairs])
    reach = max(1.0, float(np.abs(costs.select("low", "high").to_numpy()).max(initial=0)) * 1.25)
    axis.set(xlim=(-reach, reach), ylim=(costs.height - 0.5, -0.7))
    axis.grid(False, axis="y")
    label_axes(
        axis, title="Macro-F1 after compression", x="points of macro-F1 gained or lost, with the interval"
    )
    return figure


def _source_of(candidate: str) -> str | None:
    if candidate in VARIANTS:
        return VARIANTS[candidate][0]
    return _TEACHER if candidate in (STATIC, *SOURCES) and candidate != _TEACHER else None
