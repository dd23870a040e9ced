"""Days of reports, as a backfill sees them."""

from datetime import timedelta

import dagster as dg
from dagster._core.execution.asset_backfill import AssetBackfillData

from fakenews_assets.automation.jobs import monitor_day
from fakenews_assets.definitions import defs


def test_a_backfill_of_two_days_makes_two_partitions_of_each_report() -> None:
    graph = defs.resolve_asset_graph()
    with dg.DagsterInstance.ephemeral() as instance:
        backfill = AssetBackfillData.from_asset_partitions(
            graph,
            partition_names=["2026-11-20", "2026-11-21"],
            asset_selection=list(monitor_day.selection.resolve(graph)),
            dynamic_partitions_store=instance,
            backfill_start_timestamp=1_796_000_000,
            all_partitions=False,
        )
    subsets = backfill.target_subset.partitions_subsets_by_asset_key
    assert {key.to_user_string(): sorted(subset.get_partition_keys()) for key, subset in subsets.items()} == {
        name: ["2026-11-20", "2026-11-21"]
        for name in ("prediction_log", "drift_report", "performance_report")
    }


def test_a_missed_night_is_seen() -> None:
    for name in ("prediction_log", "drift_report", "performance_report"):
        policy = defs.resolve_assets_def(name).specs_by_key[dg.AssetKey(name)].freshness_policy
        assert policy == dg.FreshnessPolicy.cron("0 2 * * *", timedelta(minutes=100), "UTC"), name
