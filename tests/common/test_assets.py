"""The decorator of assets, in a real run."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from fakenews_assets.common.assets import asset


@asset(group_name="tests", check_specs=[dg.AssetCheckSpec("holds", asset="yielding")])
def yielding() -> Iterator[dg.MaterializeResult[int]]:
    check = dg.AssetCheckResult(passed=True, metadata={"share": 2 / 3})
    yield dg.MaterializeResult(value=1, metadata={"score": 2 / 3}, check_results=[check])


@asset(group_name="tests", partitions_def=dg.StaticPartitionsDefinition(["a", "b"]))
def returning() -> dg.MaterializeResult[int]:
    return dg.MaterializeResult(value=1, metadata={"score": 2 / 3})


@pytest.mark.parametrize(("made", "partition"), [(yielding, None), (returning, "b")])
def test_metadata_is_rounded_and_stands_in_one_event(
    made: dg.AssetsDefinition, partition: str | None
) -> None:
    result = dg.materialize([made], partition_key=partition, resources={"io_manager": dg.mem_io_manager})
    name: Any = made.key.to_user_string()
    (event,) = result.asset_materializations_for_node(name)
    assert event.metadata["score"] == dg.MetadataValue.float(0.6667)
    assert event.partition == partition
    carrying = [one.event_type for one in result.all_events if "0.6667" in dg.serialize_value(one)]
    checked = [dg.DagsterEventType.ASSET_CHECK_EVALUATION] if made is yielding else []
    assert sorted(carrying) == sorted([dg.DagsterEventType.ASSET_MATERIALIZATION, *checked])


def test_outside_a_run_a_result_keeps_its_metadata() -> None:
    (result,) = yielding.op.compute_fn.decorated_fn()  # pyright: ignore[reportFunctionMemberAccess]
    assert result.metadata == {"score": 0.6667}
