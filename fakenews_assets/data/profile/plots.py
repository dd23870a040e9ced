"""Plots of the corpus profile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fakenews_assets.common.plotting import (
    CLASS_COLOURS,
    add_legend,
    add_legend_below,
    label_axes,
    new_figure,
    plain_label,
)
from fakenews_assets.data.profile.composition import Composition
from fakenews_assets.data.profile.profile import Balance, CorpusProfile, Lengths
from fakenews_assets.data.profile.words import WordUse

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BATCHES_SHOWN = 40


def profile_plots(profile: CorpusProfile) -> dict[str, Figure]:
    """Draw the profile, by file name without suffix; a figure without anything to show is left out."""
    figures = {"batches": _batches_plot(profile.batches)}
    if profile.sources:
        figures["sources"] = _sources_plot(profile.sources)
    figures["composition"] = _composition_plot(profile.composition)
    figures["lengths"] = _lengths_plot(profile.title_words, profile.text_words)
    if profile.real_words and profile.fake_words:
        figures["words"] = _words_plot(profile.real_words, profile.fake_words)
    return figures


def _stack(axis: Axes, groups: Sequence[Balance]) -> None:
    """Draw one horizontal bar per group, divided by class, with the fake share at its end."""
    start = np.zeros(len(groups))
    for kind, colour in CLASS_COLOURS.items():
        counts = np.array([getattr(one, kind) for one in groups])
        if counts.any():
            axis.barh(range(len(groups)), counts, left=start, color=colour, label=kind)
        start += counts
    for place, one in enumerate(groups):
        axis.text(one.rows, place, f" {one.fake_percent}", va="center", fontsize=8)
    axis.set_yticks(range(len(groups)), [plain_label(one.name) for one in groups])
    axis.invert_yaxis()
    axis.margins(x=0.12)
    axis.grid(False, axis="y")
    axis.xaxis.set_major_formatter("{x:,.0f}")


def _sources_plot(sources: Sequence[Balance]) -> Figure:
    figure, (axis,) = new_figure(6.8, 1.2 + 0.28 * max(len(sources), 3))
    _stack(axis, sources)
    add_legend_below(figure)
    label_axes(axis, title="Articles per source, with the share that is fake", x="articles")
    return figure


def _batches_plot(batches: Sequence[Balance]) -> Figure:
    shown = batches[-_BATCHES_SHOWN:]
    title = "Articles per batch, with the share that is fake"
    if len(shown) < len(batches):
        title += f" (the latest {len(shown)} of {len(batches)})"
    figure, (axis,) = new_figure(6.8, 1.2 + 0.28 * max(len(shown), 3))
    _stack(axis, shown)
    add_legend_below(figure)
    label_axes(axis, title=title, x="articles")
    return figure


def _composition_plot(composition: Composition) -> Figure:
    """One bar per batch and label: what has a text is filled, and the publishers stand at its end."""
    shown = composition.parts[-_BATCHES_SHOWN:]
    figure, (axis,) = new_figure(8.4, 1.3 + 0.32 * max(len(shown), 3))
    for place, one in enumerate(shown):
        colour = CLASS_COLOURS[one.kind]
        axis.barh(place, one.with_text, color=colour)
        axis.barh(place, one.rows - one.with_text, left=one.with_text, color=colour, alpha=0.35)
        told = " publishers unknown"
        if one.largest:
            count = f"{one.publishers:,} publisher{'s' if one.publishers > 1 else ''}"
            told = f" {count}, {one.largest_share:.0%} {plain_label(one.largest)}"
        axis.text(one.rows, place, told, va="center", fontsize=8)
    axis.set_yticks(range(len(shown)), [f"{plain_label(one.batch)}: {one.kind}" for one in shown])
    axis.invert_yaxis()
    axis.margins(x=0.45)
    axis.grid(False, axis="y")
    axis.xaxis.set_major_formatter("{x:,.0f}")
    title = "Articles per batch and label (pale: without text), with the largest publisher's share"
    pair = composition.pair_share
    if pair is not None:
        title += f"\nThe largest publisher of each label: {pair:.1%} of the labelled articles together"
    label_axes(axis, title=title, x="articles")
    return figure


def _lengths_plot(titles: Lengths, texts: Lengths) -> Figure:
    parts = [(name, one) for name, one in (("title", titles), ("text", texts)) if one.classes]
    figure, axes = new_figure(4.4 * len(parts), 3.4, columns=len(parts))
    for axis, (part, lengths) in zip(axes, parts, strict=True):
        step = lengths.edges[1]
        borders = [*lengths.edges, lengths.edges[-1] + step]
        for one in lengths.classes:
            shares = np.array(one.counts) / one.rows
            dashes = {"real": "-", "fake": "--", "unlabelled": ":"}[one.name]
            axis.stairs(
                shares,
                borders,
                color=CLASS_COLOURS[one.name],
                linestyle=dashes,
                linewidth=1.7,
                label=f"{one.name}, median {one.median:,}",
            )
        axis.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
        axis.set_ylim(bottom=0)
        label_axes(
            axis,
            title=f"Words per {part}",
            x=f"words (the last bin: {lengths.edges[-1]:,} or more)",
            y="share of the class",
        )
        add_legend(axis, location="upper right")
    return figure


def _words_plot(real: Sequence[WordUse], fake: Sequence[WordUse]) -> Figure:
    figure, axes = new_figure(6.8, 1.2 + 0.22 * max(len(real), len(fake)), columns=2)
    for axis, kind, words in zip(axes, ("real", "fake"), (real, fake), strict=True):
        axis.barh(range(len(words)), [abs(one.z) for one in words], color=CLASS_COLOURS[kind])
        axis.set_yticks(range(len(words)), [plain_label(one.word) for one in words])
        axis.invert_yaxis()
        axis.margins(y=0.02)
        axis.grid(False, axis="y")
        label_axes(axis, title=f"Title words of {kind} news", x="z-score of the log-odds ratio")
    return figure
