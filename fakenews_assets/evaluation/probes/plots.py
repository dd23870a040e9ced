"""Plots the shortcut probes."""

from matplotlib.figure import Figure

from fakenews_assets.common.plotting import (
    ACCENT_COLOUR,
    ALARM_COLOUR,
    NEUTRAL_COLOUR,
    label_axes,
    new_figure,
)
from fakenews_assets.evaluation.probes.probes import Probe, ProbeReport

_CHANCE = 0.5
"""ROC AUC of always predicting the majority label."""
_GROUND = {"facecolor": "white", "edgecolor": "none", "pad": 1}


def probe_plot(report: ProbeReport) -> Figure:
    """Draw the ROC AUC of each baseline with its interval and limit, above that of a bag of words."""
    rows = [*report.probes, *report.references]
    figure, (axis,) = new_figure(7.2, 1.3 + 0.42 * len(rows))
    for place, probe in enumerate(rows):
        if probe.roc_auc is None:
            axis.text(_CHANCE + 0.01, place, probe.note, va="center", fontsize=8.5, style="italic")
            continue
        reference = place >= len(report.probes)
        colour = ALARM_COLOUR if probe.flagged else NEUTRAL_COLOUR if reference else ACCENT_COLOUR
        axis.barh(place, probe.roc_auc - _CHANCE, left=_CHANCE, color=colour, height=0.6, alpha=0.75)
        if probe.roc_auc_interval:
            low, high = probe.roc_auc_interval.low, probe.roc_auc_interval.high
            axis.hlines(place, low, high, color="black", linewidth=1.6)
        if probe.limit is not None:
            axis.vlines(probe.limit, place - 0.42, place + 0.42, color="black", linestyle=":", linewidth=1.4)
        end = max(probe.roc_auc, probe.roc_auc_interval.high if probe.roc_auc_interval else 0)
        text = f"{probe.roc_auc:.3f}" + ("  shortcut" if probe.flagged else "")
        weight = "bold" if probe.flagged else "normal"
        axis.text(end + 0.012, place, text, va="center", fontsize=8.5, fontweight=weight, bbox=_GROUND)
    axis.axvline(_CHANCE, color=NEUTRAL_COLOUR, linestyle="--", linewidth=1)
    axis.axhline(len(report.probes) - 0.5, color=NEUTRAL_COLOUR, linewidth=0.6)
    axis.set_yticks(range(len(rows)), [_label(probe) for probe in rows])
    axis.set_xlim(0.44, 1.16)
    axis.set_xticks([0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
    axis.invert_yaxis()
    found = [_label(probe) for probe in report.probes if probe.flagged]
    label_axes(
        axis,
        title=f"Shortcuts: {', '.join(found)}" if found else "No baseline is a shortcut",
        x="ROC AUC with its interval; dashed: majority label; dotted: limit",
    )
    return figure


def _label(probe: Probe) -> str:
    return probe.name.replace("_", " ")
