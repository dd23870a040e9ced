"""Reports robustness results in Markdown."""

from collections.abc import Sequence

from fakenews_assets.common import markdown
from fakenews_assets.evaluation.robustness.behaviour import BehaviourResult, FailingCase
from fakenews_assets.evaluation.robustness.masking import MaskedScore
from fakenews_assets.evaluation.robustness.settings import BEHAVIOURS, PERTURBATIONS


def masked_markdown(masked: Sequence[MaskedScore] | None) -> list[str]:
    """The loss of macro-F1 with masked shortcuts, as a section; empty if it was not measured."""
    if not masked:
        return []
    return [
        "### With shortcuts masked",
        f"{masked[0].rows:,} of the test articles predicted again, with parts masked. A model that loses "
        "much without names, casing, punctuation or publishers relies on them, and will be less "
        "accurate where they differ.",
        markdown.table(
            (
                "hidden",
                "articles",
                "changed",
                "macro-F1 before",
                "after",
                "difference",
                "interval",
                "allowed loss",
                "verdict",
            ),
            [
                (
                    PERTURBATIONS[one.name],
                    f"{one.rows:,}",
                    f"{one.changed:,}",
                    f"{one.macro_f1_before:.4f}",
                    f"{one.macro_f1:.4f}",
                    f"{one.difference.difference:+.4f}",
                    f"{one.difference.low:+.4f} to {one.difference.high:+.4f}",
                    f"{one.limit:g}",
                    "**falls**" if one.falls else "",
                )
                for one in masked
            ],
        ),
    ]


def behaviour_markdown(results: Sequence[BehaviourResult] | None) -> list[str]:
    """The behavioural tests as a section, with failing examples; empty if they were not run."""
    if not results:
        return []
    parts = [
        "### Behaviour",
        "Behavioural tests in the manner of CheckList (Ribeiro et al., 2020), on the whole path as served.",
        markdown.table(
            ("test", "kind", "what", "cases", "passed", "must", "verdict"),
            [
                (
                    one.name.replace("_", " "),
                    BEHAVIOURS[one.name].kind,
                    BEHAVIOURS[one.name].what,
                    f"{one.cases:,}",
                    "no case" if one.pass_rate is None else f"{one.pass_rate:.1%}",
                    "" if one.least is None else f"{one.least:.0%}",
                    "**fails**" if one.fails else "",
                )
                for one in results
            ],
        ),
    ]
    for one in results:
        if one.failures:
            kind = "not passed" if one.least is not None else "where the decision changed"
            parts += [f"Cases of “{one.name.replace('_', ' ')}” {kind}:", failures_table(one.failures)]
    return parts


def failures_table(failures: Sequence[FailingCase]) -> str:
    """Failing cases as a table: titles and probabilities of fake, before and after the change."""
    return markdown.table(
        ("before", "fake", "after", "fake"),
        [
            (
                "" if one.before is None else _literal(one.before),
                "" if one.probability_before is None else f"{one.probability_before:.3f}",
                _literal(one.after),
                f"{one.probability:.3f}" + (" (no answer)" if one.abstained else ""),
            )
            for one in failures
        ],
    )


def _literal(title: str) -> str:
    """A title as it is: stars and the like are no markup."""
    return "`" + markdown.cell(title).replace("`", "'") + "`"
