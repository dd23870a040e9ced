"""Reports the shortcut probes in Markdown."""

from typing import Final

from fakenews_assets.common import markdown
from fakenews_assets.evaluation.probes.probes import Probe, ProbeReport, is_shortcut
from fakenews_assets.models.bootstrap import Interval

MEANINGS: Final[dict[str, str]] = {
    "style": "How articles look (capitals, signs, lengths) tells their labels. Remove what publishers or scrapers have"
    " left (`extra_boilerplate` of clean_news), prefer an encoder that reads no casing, and look at the candidates' fall"
    " in other casing and without punctuation.",
    "source": "Who published an article tells its label: a model can learn publishers, and a good score proves nothing"
    " about other ones. Add articles of both labels from the same sources, and look at `generalization`.",
    "names": "Whom articles speak of tells their labels, and names come and go. Look at the candidates'"
    " fall with names hidden or exchanged.",
    "single_token": "Single words or signs give their label away by being there. Look at the articles that hold them: if"
    " a publisher or a scraper left them, remove them (`extra_boilerplate` of clean_news).",
    "missing_text": "Whether an article has a text tells its label, because the labels were collected in different ways."
    " Train on titles alone (`inputs: title`), or fill the gaps.",
}
"""Explanation of a failing probe, with advice."""


def probe_markdown(report: ProbeReport, note: str | None) -> str:
    """Report of all probes in Markdown, without the figure.

    Args:
        report: what was found.
        note: the warning that belongs beside every score, such as the one on generated data.
    """
    interval = f"{report.config.level:.0%} interval"
    parts = [f"> **{note}**"] if note else []
    parts += [
        f"What can be told of {report.test_rows:,} test articles without reading them, learnt from"
        f" {report.train_rows:,} training articles. Always giving the commoner label: ROC AUC 0.5, macro-F1"
        f" {report.majority_macro_f1:.3f}.",
        markdown.table(
            ("view", "ROC AUC", interval, "limit", "macro-F1", interval, "verdict"),
            [_row(probe) for probe in (*report.probes, *report.references)],
        ),
        *(f"**{name.replace('_', ' ')}**: {MEANINGS[name]}" for name in _flagged(report)),
        "A view that is no shortcut here may be one in a larger corpus, and none of these views finds a shortcut that it"
        " does not look at.",
        f"Tokens that most surely speak for one label. A shortcut: at least {report.config.token_purity:.0%} sure purity,"
        f" in {report.config.token_coverage:.0%} of its label's articles.",
        markdown.table(
            (
                "token",
                "in",
                "label",
                "share of the label's articles",
                "purity",
                "surely at least",
                "purity on test",
                "",
            ),
            [
                (
                    f"`{markdown.cell(use.token)}`",
                    use.field,
                    ("real", "fake")[use.label],
                    f"{use.coverage:.1%}",
                    f"{use.purity:.1%}",
                    f"{use.purity_low:.1%}",
                    "unseen" if use.test_purity is None else f"{use.test_purity:.1%} of {use.test_rows:,}",
                    "**shortcut**" if is_shortcut(use, report.config) else "",
                )
                for use in report.tokens
            ],
        ),
    ]
    return "\n\n".join(parts)


def _flagged(report: ProbeReport) -> list[str]:
    return [name for name in MEANINGS if any(one.name == name and one.flagged for one in report.probes)]


def _row(probe: Probe) -> tuple[str, ...]:
    if probe.roc_auc is None or probe.macro_f1 is None:
        return (probe.name.replace("_", " "), "", "", "", "", "", markdown.cell(probe.note))
    verdict = ["**shortcut**"] if probe.flagged else []
    return (
        probe.name.replace("_", " "),
        f"{probe.roc_auc:.3f}",
        _span(probe.roc_auc_interval),
        "" if probe.limit is None else f"{probe.limit:g}",
        f"{probe.macro_f1:.3f}",
        _span(probe.macro_f1_interval),
        markdown.cell("; ".join([*verdict, *([probe.note] if probe.note else [])])),
    )


def _span(interval: Interval | None) -> str:
    return "undefined" if interval is None else f"{interval.low:.3f} to {interval.high:.3f}"
