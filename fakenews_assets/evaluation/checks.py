"""Asset checks of the evaluation group."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import dagster as dg

from fakenews_assets.common.metadata import partitioned_check_spec
from fakenews_assets.evaluation.partitions import candidates

if TYPE_CHECKING:  # scikit-learn takes seconds to import, and loading the definitions must not
    from fakenews_assets.evaluation.evaluating import Evaluation
    from fakenews_assets.evaluation.generalization.generalization import Spread
    from fakenews_assets.evaluation.probes.probes import ProbeReport

better_than_majority_spec = partitioned_check_spec(
    "better_than_majority",
    "evaluation",
    "The lower end of the accuracy interval is above the share of the majority label.",
    candidates,
)


def better_than_majority(evaluation: "Evaluation") -> dg.AssetCheckResult:
    """Whether a candidate is more accurate than always predicting the majority label."""
    confusion = evaluation.metrics.confusion
    fakes = confusion.fake_as_fake + confusion.fake_as_real
    majority = max(fakes, evaluation.rows - fakes) / evaluation.rows
    interval = evaluation.intervals["accuracy"]
    low = interval.low if interval else evaluation.metrics.accuracy
    return dg.AssetCheckResult(
        check_name=better_than_majority_spec.name,
        passed=low > majority,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"Accuracy is at least {low:.3f}; always predicting the majority label reaches {majority:.3f}.",
        metadata={"accuracy_low": low, "majority_share": majority},
    )


carries_over_spec = dg.AssetCheckSpec(
    "carries_over",
    asset="generalization",
    description="Macro-F1 on unseen sources and later times is at most the configured number of points lower.",
)


def carries_over(spreads: "Sequence[Spread]", largest_drop: float) -> dg.AssetCheckResult:
    """Check the macro-F1 on harder splits against that on the graph's splits, for each model.

    Args:
        spreads: of all kinds of splits; the check passes if there is nothing to compare.
        largest_drop: points of macro-F1.
    """
    whole = [one for one in spreads if one.held_out is None]
    own = {one.model: one.mean for one in whole if one.protocol == "grouped"}
    drops = {
        f"{one.model}, {one.protocol.replace('_', '-')}": 100 * (own[one.model] - one.mean)
        for one in whole
        if one.protocol in ("source_disjoint", "time_ordered") and one.model in own
    }
    worst = max(drops, key=lambda name: drops[name], default=None)
    return dg.AssetCheckResult(
        check_name=carries_over_spec.name,
        passed=worst is None or drops[worst] <= largest_drop,
        severity=dg.AssetCheckSeverity.WARN,
        description="The corpus names no sources and no times, or they were not asked for: nothing to compare."
        if worst is None
        else f"Worst: {worst}, {drops[worst]:.1f} points below the graph's own splits; {largest_drop:g} are allowed."
        " Expect scores that much lower on unseen sources and later times.",
        metadata={name: round(drop, 2) for name, drop in drops.items()},
    )


PROBE_CHECKS = {
    "style": "Style does not predict the label.",
    "source": "The source does not predict the label.",
    "names": "Names do not predict the label.",
    "single_token": "No single token predicts the label.",
    "missing_text": "A missing text does not predict the label.",
}


def probe_check_specs() -> list[dg.AssetCheckSpec]:
    """The checks of `shortcut_probes`, which warn but do not block."""
    return [
        dg.AssetCheckSpec(f"no_{name}_shortcut", asset="shortcut_probes", description=text)
        for name, text in PROBE_CHECKS.items()
    ]


def probe_checks(report: "ProbeReport") -> list[dg.AssetCheckResult]:
    """One result per probe: whether its interval reaches below the limit."""
    from fakenews_assets.evaluation.probes.report import MEANINGS

    return [
        dg.AssetCheckResult(
            check_name=f"no_{probe.name}_shortcut",
            passed=not probe.flagged,
            severity=dg.AssetCheckSeverity.WARN,
            description=MEANINGS[probe.name]
            if probe.flagged
            else probe.note or "Not significantly a shortcut.",
            metadata={
                "roc_auc": "undefined" if probe.roc_auc is None else probe.roc_auc,
                "roc_auc_low": probe.roc_auc_interval.low if probe.roc_auc_interval else "undefined",
                "limit": "see the tokens" if probe.limit is None else probe.limit,
                "note": probe.note,
            },
        )
        for probe in report.probes
    ]
