"""Reports quality on unseen publishers, and error rates by group, as Markdown and as a plot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from fakenews_assets.common import markdown
from fakenews_assets.common.plotting import (
    FAKE_COLOUR,
    NEUTRAL_COLOUR,
    REAL_COLOUR,
    add_legend_below,
    label_axes,
    new_figure,
    plain_label,
)
from fakenews_assets.evaluation.unseen.parity import ErrorRate, Parity
from fakenews_assets.evaluation.unseen.publishers import PublisherScore, UnseenPublishers
from fakenews_assets.models.bootstrap import Interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_PUBLISHERS: Final = 15


def unseen_markdown(unseen: UnseenPublishers | None) -> list[str]:
    """Paragraphs on publishers that the model was not trained on."""
    head = "### Unseen publishers"
    if unseen is None:
        return [
            head,
            "Not measured: too few publishers are known. Ingest articles with their `source`; a tenth of the publishers"
            " is then held out of training.",
        ]
    names = len(unseen.publishers)
    rows = [
        ("ROC AUC", f"{unseen.roc_auc:.4f}", interval(unseen.roc_auc_interval)),
        ("macro-F1", f"{unseen.macro_f1:.4f}", interval(unseen.macro_f1_interval)),
        (
            "ROC AUC of the mean P(fake) of publishers with 5 articles or more",
            _share(unseen.publisher_roc_auc, ".4f"),
            "",
        ),
        ("answered", f"{unseen.answered_share:.1%}", ""),
        ("precision of “real” among the answers", _share(unseen.precision_real, ".1%"), ""),
        ("precision of “fake” among the answers", _share(unseen.precision_fake, ".1%"), ""),
    ]
    batches = "; ".join(
        f"{markdown.cell(one.batch)} {one.roc_auc:.4f} ({one.rows:,} articles, {one.publishers} publishers)"
        for one in unseen.batches
    )
    return [
        head,
        f"{unseen.rows:,} test articles of {names} publishers that no candidate was trained on. Intervals are over"
        f" publishers. ROC AUC is the mean over the batches: {batches}.",
        markdown.table(("metric", "value", "interval"), rows),
        "The promised precisions hold for articles of the publishers that the model has seen; for others nothing is"
        " promised, and the precisions above are what was found.",
        *_largest(unseen.publishers),
    ]


def parity_markdown(parity: Parity | None) -> list[str]:
    """Paragraphs on error rates by group; none where the groups are not known."""
    if parity is None:
        return []
    where = "unseen publishers" if parity.unseen else "all publishers of the test split"
    return [
        "### Parity between groups",
        f"Articles of {where}, by the group that came with them (such as a publisher's political leaning). The largest"
        f" difference of the false-positive rates is {parity.gap_points:.1f} points. Intervals are over publishers.",
        markdown.table(
            ("group", "real called fake", "interval", "articles", "fake called real", "interval", "articles"),
            [
                (markdown.cell(one.group), *_rate(one.false_positive), *_rate(one.false_negative))
                for one in parity.groups
            ],
        ),
    ]


def publishers_plot(unseen: UnseenPublishers) -> Figure:
    """Plot the mean P(fake) of the largest unseen publishers, real and fake ones in two colours."""
    shown = sorted(unseen.publishers[: 2 * _MOST_PUBLISHERS], key=lambda one: one.mean_probability)
    figure, (axis,) = new_figure(7.2, 1.4 + 0.22 * len(shown))
    label_axes(
        axis, title="Publishers that the model was not trained on", x="mean P(fake) of a publisher's articles"
    )
    for name, colour, fake in (("labelled real", REAL_COLOUR, False), ("labelled fake", FAKE_COLOUR, True)):
        places = [place for place, one in enumerate(shown) if (one.fake_share > 0.5) == fake]
        axis.scatter(
            [shown[place].mean_probability for place in places], places, color=colour, s=22, label=name
        )
    axis.axvline(0.5, color=NEUTRAL_COLOUR, linewidth=1, linestyle=":")
    axis.set_yticks(range(len(shown)), [plain_label(one.publisher, 40) for one in shown])
    axis.set_xlim(0, 1)
    add_legend_below(figure)
    return figure


def interval(found: Interval | None) -> str:
    """An interval over publishers, in words where there is none."""
    return "too few publishers" if found is None else f"{found.low:.4f} to {found.high:.4f}"


def _largest(publishers: Sequence[PublisherScore]) -> list[str]:
    shown = publishers[:_MOST_PUBLISHERS]
    table = markdown.table(
        ("publisher", "group", "articles", "labelled fake", "mean P(fake)", "called fake"),
        [
            (
                markdown.cell(one.publisher),
                markdown.cell(one.group or ""),
                f"{one.rows:,}",
                f"{one.fake_share:.0%}",
                f"{one.mean_probability:.3f}",
                f"{one.called_fake:.0%}",
            )
            for one in shown
        ],
    )
    more = len(publishers) - len(shown)
    return [table, f"And {more} smaller ones, in `evaluation.json`."] if more else [table]


def _rate(rate: ErrorRate | None) -> tuple[str, str, str]:
    if rate is None:
        return "too few", "", ""
    return f"{rate.rate:.1%}", f"{rate.interval.low:.1%} to {rate.interval.high:.1%}", f"{rate.rows:,}"


def _share(value: float | None, form: str) -> str:
    return "undefined" if value is None else format(value, form)
