"""Asset checks of the data group: the verdicts of plain functions, shown and enforced by Dagster."""

import dagster as dg
import polars as pl

from fakenews_assets.data.batch_checks import CheckOutcome
from fakenews_assets.data.near_duplicates import NearDuplicateConfig
from fakenews_assets.data.split_checks import (
    Crossings,
    moved_articles,
    side_table,
    verify_clusters,
    verify_contents,
    verify_shares,
)
from fakenews_assets.data.splitting import SIDES, SplitConfig
from fakenews_resources.storage import Storage
from fakenews_resources.store import Artefact

_CHANCE_Z = 4.0

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


def _sides(splits: Artefact) -> dict[str, pl.LazyFrame]:
    return {side: splits.scan(side) for side in SIDES}


@dg.asset_check(asset="splits", blocking=True)
def no_cluster_crosses(splits: Artefact) -> dg.AssetCheckResult:
    """No near-duplicate cluster lies on two sides."""
    return _crossing_result(verify_clusters(side_table(_sides(splits))), "clusters")


@dg.asset_check(asset="splits", blocking=True)
def no_content_crosses(splits: Artefact) -> dg.AssetCheckResult:
    """No title and no text stands on two sides, case and punctuation aside; looked up anew, without the clusters."""
    return _crossing_result(verify_contents(_sides(splits), NearDuplicateConfig()), "titles or texts")


@dg.asset_check(asset="splits")
def shares_as_agreed(splits: Artefact) -> dg.AssetCheckResult:
    """The sides are within one point of their shares, above 5,000 rows."""
    shares = verify_shares(side_table(_sides(splits)), SplitConfig())
    return dg.AssetCheckResult(
        passed=shares.within_tolerance,
        # A side is drawn by hash, so a small corpus may miss its shares by chance; the hash is not at fault then.
        severity=dg.AssetCheckSeverity.WARN if shares.z_score < _CHANCE_Z else dg.AssetCheckSeverity.ERROR,
        description=(
            f"The furthest side is {shares.deviation_points:.2f} points off its share "
            f"({shares.z_score:.1f} standard deviations of a draw by cluster)."
        ),
        metadata={
            **shares.rows,
            "deviation_points": shares.deviation_points,
            "largest_cluster": shares.largest_cluster,
        },
    )


@dg.asset_check(asset="splits", blocking=True)
def every_article_keeps_its_side(splits: Artefact, storage: Storage) -> dg.AssetCheckResult:
    """No article has changed its side since the version before: a test article never trains."""
    previous = splits.meta["previous"]
    if previous is None:
        return dg.AssetCheckResult(passed=True, description="This is the first split.")
    moves = moved_articles(
        side_table(_sides(storage.store.get("splits", previous))), side_table(_sides(splits))
    )
    return dg.AssetCheckResult(
        passed=moves.passed,
        description=f"{moves.moved} articles changed their side, {moves.gone} are no longer on any.",
        metadata={"moved": moves.moved, "gone": moves.gone, "examples": list(moves.examples)},
    )


def _crossing_result(crossings: Crossings, what: str) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=crossings.passed,
        description=f"{crossings.count} {what} stand on more than one side.",
        metadata={"count": crossings.count, "examples": list(crossings.examples)},
    )
