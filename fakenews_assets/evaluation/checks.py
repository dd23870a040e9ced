"""Asset checks of the evaluation group."""

from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:  # scikit-learn takes seconds to import, and loading the definitions must not
    from fakenews_assets.evaluation.evaluating import Evaluation

better_than_majority_spec = dg.AssetCheckSpec(
    "better_than_majority",
    asset="evaluation",
    description="The lower end of the accuracy interval lies above the share of the commoner label.",
)


def better_than_majority(evaluation: "Evaluation") -> dg.AssetCheckResult:
    """Whether a candidate knows more than always giving the commoner answer."""
    confusion = evaluation.metrics.confusion
    fakes = confusion.fake_as_fake + confusion.fake_as_real
    majority = max(fakes, evaluation.rows - fakes) / evaluation.rows
    interval = evaluation.intervals["accuracy"]
    low = interval.low if interval else evaluation.metrics.accuracy
    return dg.AssetCheckResult(
        check_name=better_than_majority_spec.name,
        passed=low > majority,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"Accuracy is at least {low:.3f}; always the commoner label would reach {majority:.3f}.",
        metadata={"accuracy_low": low, "majority_share": majority},
    )
