"""The order of the graph, and what each value is made of."""

from pathlib import Path

import dagster as dg
import pytest

from fakenews_assets.automation.jobs import REFRESH_JOBS
from fakenews_assets.automation.order import GraphOrder, assets_of
from fakenews_assets.definitions import defs
from fakenews_assets.evaluation.partitions import CANDIDATES, candidates
from fakenews_resources.storage.inventory import Inventory
from fakenews_resources.storage.store import Store
from tests.support.graphs import Graph


@pytest.fixture(scope="module")
def order() -> GraphOrder:
    return GraphOrder(defs.get_repository_def())


def test_each_job_makes_the_asset_that_it_refreshes(order: GraphOrder) -> None:
    made = {
        asset.key.to_user_string(): job.name
        for job in REFRESH_JOBS
        for asset in assets_of(defs.resolve_job_def(job.name))
    }
    assert order.job_of == made
    assert set(made.values()) == {job.name for job in REFRESH_JOBS}


def test_values_come_after_those_that_they_are_made_of(order: GraphOrder, tmp_path: Path) -> None:
    keys = [value.key for value in order.downstream_of_training()]
    inventory = Graph(tmp_path).inventory
    for value in order.downstream_of_training():
        inputs = order.inputs_of(value, inventory, pending=keys)
        assert inputs.isdisjoint(keys[keys.index(value.key) :]), value
    names = candidates.get_partition_keys()
    trained = {"baseline_model", "frozen_encoder", "finetuned_bert"}
    assert {CANDIDATES[name] for name in names} - set(keys) == trained
    assert {f"evaluation/{name}" for name in names} < set(keys)


def test_a_lifecycle_is_limited_to_its_candidates(order: GraphOrder) -> None:
    names = [
        "baseline",
        "finetuned",
        "distilled-3l",
        "distilled-3l-openvino-int8",
        "pruned",
        "ensemble-pruned",
    ]
    assert [value.key for value in order.downstream_of_training(names)] == [
        "distilled_bert/distilled-3l",
        "pruned_bert",
        "quantized_bert/distilled-3l-openvino-int8",
        "ensemble_model/ensemble-pruned",
        "evaluation/baseline",
        "evaluation/finetuned",
        "evaluation/distilled-3l",
        "evaluation/pruned",
        "evaluation/distilled-3l-openvino-int8",
        "evaluation/ensemble-pruned",
        "selected_model",
        "champion",
        "leaderboard",
    ]


def test_a_partition_is_made_of_its_own_models(order: GraphOrder, tmp_path: Path) -> None:
    inventory = Graph(tmp_path).inventory
    for key, models in {
        "quantized_bert/finetuned-onnx-int8": {"finetuned_bert"},
        "quantized_bert/distilled-2l-openvino-bf16": {"distilled_bert/distilled-2l"},
        "ensemble_model/ensemble-pruned": {"pruned_bert", "baseline_model"},
        "ensemble_model/ensemble-finetuned-onnx-int8": {
            "quantized_bert/finetuned-onnx-int8",
            "baseline_model",
        },
        "cascade_model/cascade-finetuned-openvino-int8": {"ensemble_model/ensemble-finetuned-openvino-int8"},
        "evaluation/cascade-finetuned-openvino-int8": {"cascade_model/cascade-finetuned-openvino-int8"},
        "evaluation/baseline": {"baseline_model"},
        "evaluation/pruned": {"pruned_bert"},
        "evaluation/distilled-2l-openvino-bf16": {"quantized_bert/distilled-2l-openvino-bf16"},
        "evaluation/ensemble-pruned": {"ensemble_model/ensemble-pruned"},
    }.items():
        (value,) = (one for one in order.downstream_of_training() if one.key == key)
        assert order.inputs_of(value, inventory) == {"splits", *models}


def test_the_inputs_are_those_that_a_run_has_read(order: GraphOrder, trained: Path) -> None:
    store = Store(trained / ".fakenews")
    inventory = Inventory(store, defs.get_repository_def(), dg.DagsterInstance.ephemeral())
    for value in order.downstream_of_training(["baseline", "finetuned"]):
        record = store.current(value.key).record
        assert record is not None
        read, inputs = set(record.upstream), order.inputs_of(value, inventory)
        if value.asset == "selected_model":  # of the models, it reads the one that it selects
            assert read < inputs
            assert inputs - read < set(CANDIDATES.values())
        else:
            assert read == inputs


def test_an_unknown_candidate_is_an_error(order: GraphOrder) -> None:
    with pytest.raises(KeyError, match="distilled-9l"):
        order.downstream_of_training(["distilled-9l"])


def test_the_assets_of_a_job_are_in_order() -> None:
    names = [asset.key.to_user_string() for asset in assets_of(defs.resolve_job_def("full_lifecycle"))]
    graph = defs.resolve_asset_graph()
    for name in names:
        parents = {key.to_user_string() for key in graph.get(dg.AssetKey(name)).parent_keys}
        assert parents.isdisjoint(names[names.index(name) :])
    assert names[0] == "raw_news"
