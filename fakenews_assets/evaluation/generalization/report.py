"""Reports the generalization measurement as a table and a plot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from fakenews_assets.common import markdown
from fakenews_assets.common.plotting import (
    ACCENT_COLOUR,
    FAKE_COLOUR,
    NEUTRAL_COLOUR,
    REAL_COLOUR,
    add_legend_below,
    label_axes,
    new_figure,
    plain_label,
)
from fakenews_assets.evaluation.generalization.generalization import Spread
from fakenews_assets.evaluation.generalization.settings import PROTOCOLS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS: Final = (NEUTRAL_COLOUR, REAL_COLOUR, ACCENT_COLOUR, FAKE_COLOUR)
_BETWEEN_MODELS: Final = 0.18


def division_name(spread: Spread) -> str:
    """Display name of a kind of split."""
    if spread.held_out is not None:
        return f"without {spread.held_out}"
    return spread.protocol.replace("_", "-").replace("source-disjoint", "source-disjoint, all sources")


def generalization_markdown(spreads: Sequence[Spread], note: str | None) -> str:
    """Table of macro-F1 for each kind of split and each held-out source."""
    head = (
        "division",
        "model",
        "macro-F1",
        "sd over seeds",
        "95 % interval",
        "called fake",
        "are fake",
        "rows",
    )
    rows = [
        (
            markdown.cell(division_name(one)),
            one.model,
            f"{one.mean:.4f}",
            "one run" if one.sd is None else f"{one.sd:.4f}",
            "" if one.low is None or one.high is None else f"{one.low:.4f} to {one.high:.4f}",
            f"{one.called_fake:.0%}",
            f"{one.fake_share:.0%}",
            f"{one.rows:,}",
        )
        for one in in_reading_order(spreads)
    ]
    parts = [
        markdown.table(head, rows),
        "Random: rows shuffled, near-duplicates in both splits. Grouped: the graph's own splits. "
        "Source-disjoint: each source is predicted by a model that was not trained on it. Time-ordered: "
        "the newest articles are predicted by a model of older ones. The threshold is 0.5, without "
        "calibration.",
    ]
    return "\n\n".join([f"> **{note}**", *parts] if note else parts)


def generalization_plot(spreads: Sequence[Spread]) -> Figure:
    """Plot macro-F1 with its interval: a row per kind of split, a colour per model."""
    shown = in_reading_order(spreads)
    names = list(dict.fromkeys(division_name(one) for one in shown))
    models = list(dict.fromkeys(one.model for one in shown))
    figure, (axis,) = new_figure(7.2, 1.4 + 0.5 * len(names))
    label_axes(
        axis, title="Generalization of the recipes", x="macro-F1, mean over seeds with its 95 % interval"
    )
    for place, model in enumerate(models):
        of_model = [one for one in shown if one.model == model]
        shift = _BETWEEN_MODELS * (place - (len(models) - 1) / 2)
        axis.errorbar(
            [one.mean for one in of_model],
            [names.index(division_name(one)) + shift for one in of_model],
            xerr=[0.0 if one.low is None else one.mean - one.low for one in of_model],
            fmt="o",
            color=_COLOURS[place],
            markersize=5,
            capsize=2.5,
            label=model,
        )
    axis.axvline(0.5, color=NEUTRAL_COLOUR, linewidth=1, linestyle=":")
    axis.set_yticks(range(len(names)), [plain_label(name, 40) for name in names])
    axis.invert_yaxis()
    axis.set_xlim(right=1)
    add_legend_below(figure)
    return figure


def in_reading_order(spreads: Sequence[Spread]) -> list[Spread]:
    """From the easiest kind of split to the hardest; each source after all sources together."""
    return sorted(
        spreads, key=lambda one: (PROTOCOLS.index(one.protocol), one.held_out is not None, one.held_out or "")
    )
