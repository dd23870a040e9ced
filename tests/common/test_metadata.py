"""What the UI shows beside an asset."""

import dagster as dg
import polars as pl
import pytest

from fakenews_assets.common.metadata import column_lineage, columns, rounded


def test_numbers_have_four_significant_digits_in_results_and_their_checks() -> None:
    check = dg.AssetCheckResult(passed=True, metadata={"share": 2 / 3})
    numbers = {"score": 20 / 21, "loss": dg.MetadataValue.float(1 / 30000), "rows": 123456, "by": "seconds"}
    shown = rounded(dg.MaterializeResult(value="kept", metadata=numbers, check_results=[check]))
    loss = dg.MetadataValue.float(3.333e-05)
    assert shown.metadata == {"score": 0.9524, "loss": loss, "rows": 123456, "by": "seconds"}
    assert shown.check_results[0].metadata == {"share": dg.MetadataValue.text("0.6667")}
    assert shown.value == "kept"


@pytest.mark.parametrize("other", [None, dg.AssetObservation("seen")])
def test_other_events_stay_as_they_are(other: object) -> None:
    assert rounded(other) is other


def test_a_table_shows_its_columns_and_where_they_come_from() -> None:
    schema = columns(pl.Schema({"a": pl.Int8, "b": pl.String}))["dagster/column_schema"]
    assert [(one.name, one.type) for one in schema.columns] == [("a", "Int8"), ("b", "String")]
    lineage = column_lineage({"b": ["news.title", "news.text"]})["dagster/column_lineage"]
    assert {(one.asset_key, one.column_name) for one in lineage.deps_by_column["b"]} == {
        (dg.AssetKey("news"), "title"),
        (dg.AssetKey("news"), "text"),
    }
