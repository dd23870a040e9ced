"""Reports the shortcut probes in Markdown."""

from typing import Final

from fakenews_assets.common import markdown
from fakenews_assets.evaluation.probes.probes import Probe, ProbeReport, is_shortcut
from fakenews_assets.models.bootstrap import Interval

MEANINGS: Final[dict[str, str]] = {
    "style": "Style (capitals, punctuation, lengths) predicts the label. Remove boilerplate of publishers "
    "and scrapers (`extra_boilerplate` of clean_news), prefer an uncased encoder, and see how much the "
    "candidates lose in other casing and without punctuation.",
    "source": "The source predicts the label, so a model can learn publishers, and a good score says nothing "
    "about other publishers. Add articles of both labels from the same sources, and look at "
    "`generalization`.",
    "names": "The names in an article predict its label, and names change over time. See how much the "
    "candidates lose with names masked or swapped.",
    "single_token": "Single words or signs predict the label. Look at the articles that contain them. If "
    "they are boilerplate, remove them (`extra_boilerplate` of clean_news).",
    "missing_text": "A missing text predicts the label, because the classes were collected in different "
    "ways. Train on titles alone (`inputs: title`), or fill in the missing texts.",
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
        f"Accuracy of metadata-only baselines on {report.test_rows:,} test articles, fitted on "
        f"{report.train_rows:,} training articles. Always predicting the majority label: ROC AUC 0.5, "
        "macro-F1"
        f" {report.majority_macro_f1:.3f}.",
        markdown.table(
            ("view", "ROC AUC", interval, "limit", "macro-F1", interval, "verdict"),
            [_row(probe) for probe in (*report.probes, *report.references)],
        ),
        *(f"**{name.replace('_', ' ')}**: {MEANINGS[name]}" for name in _flagged(report)),
        "A baseline that is no shortcut here may be one in a larger corpus, and there may be shortcuts that "
        "none of these baselines measures.",
        f"Tokens with the highest lower bound of purity for one label. A token is a shortcut from a bound of "
        f"{report.config.token_purity:.0%}, in at least {report.config.token_coverage:.0%} of the "
        "label's articles.",
        markdown.table(
            (
                "token",
                "in",
                "label",
                "share of the label's articles",
                "purity",
                "lower bound",
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
