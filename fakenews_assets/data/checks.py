"""Asset checks of the data group: the verdicts of plain functions, shown and enforced by Dagster."""

import dagster as dg

from fakenews_assets.data.batch_checks import CheckOutcome

BATCH_CHECKS = {
    "schema": "Columns, types and nulls of the batch are as agreed.",
    "label_values": "Every label is 0 (real), 1 (fake) or missing.",
    "label_balance": "The share of fakes is near that of the corpus.",
    "label_semantics": "The articles read as their labels say: a flipped batch is caught.",
    "duplicates": "Not too many rows repeat an earlier row of the batch.",
}


def batch_check_specs() -> list[dg.AssetCheckSpec]:
    """The blocking checks that `clean_news` makes of every batch, in the step that cleans it."""
    return [
        dg.AssetCheckSpec(name, asset="clean_news", description=description, blocking=True)
        for name, description in BATCH_CHECKS.items()
    ]


def to_result(outcome: CheckOutcome, asset: str = "clean_news") -> dg.AssetCheckResult:
    """A plain verdict as Dagster shows it."""
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=outcome.name,
        passed=outcome.passed,
        description=outcome.description,
        metadata=outcome.numbers,
    )
