"""Asset checks of the group monitoring. They only warn, because past traffic must not stop a run."""

from typing import TYPE_CHECKING

import dagster as dg

from fakenews_assets.common.metadata import partitioned_check_spec
from fakenews_assets.monitoring.drift.verdict import DriftVerdict
from fakenews_assets.monitoring.partitions import days

if TYPE_CHECKING:
    from fakenews_assets.monitoring.performance import PerformanceVerdict

NO_DRIFT = partitioned_check_spec(
    "no_drift",
    "drift_report",
    "The day's articles are like the test split that the model was evaluated on.",
    days,
)
ABSTAINS_AS_EVALUATED = partitioned_check_spec(
    "abstains_as_evaluated",
    "drift_report",
    "The model abstains no more often than on the test split that it was evaluated on.",
    days,
)
DEFERS_AS_EVALUATED = partitioned_check_spec(
    "defers_as_evaluated",
    "drift_report",
    "A cascade leaves no more articles to its second stage than on the test split: more of them is slower.",
    days,
)
AS_EVALUATED = partitioned_check_spec(
    "as_good_as_evaluated",
    "performance_report",
    "The quality that later labels show is that of the model's evaluation.",
    days,
)


def no_drift(verdict: DriftVerdict) -> dg.AssetCheckResult:
    """No drift. Passes with too few rows; the description says so."""
    return dg.AssetCheckResult(
        check_name=NO_DRIFT.name,
        passed=not verdict.drifted,
        severity=dg.AssetCheckSeverity.WARN,
        description=verdict.summary,
        metadata={
            "rows": verdict.rows,
            **{feature.name: feature.value for feature in verdict.features},
        },
    )


def abstains_as_evaluated(verdict: DriftVerdict) -> dg.AssetCheckResult:
    """No more abstentions than evaluated. Passes with too few rows; the description says so."""
    found = verdict.abstentions
    return dg.AssetCheckResult(
        check_name=ABSTAINS_AS_EVALUATED.name,
        passed=not verdict.abstains_more,
        severity=dg.AssetCheckSeverity.WARN,
        description=verdict.abstention_summary,
        metadata={"share": found.share, "evaluated": found.expected, "tolerated": found.tolerated}
        if found
        else {},
    )


def defers_as_evaluated(verdict: DriftVerdict) -> dg.AssetCheckResult:
    """No more deferred articles than evaluated. Passes for a model without stages, and with too few rows."""
    found = verdict.deferrals
    return dg.AssetCheckResult(
        check_name=DEFERS_AS_EVALUATED.name,
        passed=found is None or not found.risen,
        severity=dg.AssetCheckSeverity.WARN,
        description=verdict.deferral_summary,
        metadata={"share": found.share, "tolerated": found.tolerated} if found else {},
    )


def as_good_as_evaluated(verdict: "PerformanceVerdict") -> dg.AssetCheckResult:
    """Quality is as evaluated. Passes with too few labels; the description says so."""
    return dg.AssetCheckResult(
        check_name=AS_EVALUATED.name,
        passed=not verdict.dropped,
        severity=dg.AssetCheckSeverity.WARN,
        description=verdict.summary,
        metadata={"labels": verdict.rows},
    )
