"""What is refreshed after a training: in which order, never twice, and nothing that was not asked for."""

from pathlib import Path

import dagster as dg
import pytest

from fakenews_assets.automation.sensors.refresh import refresh_downstream
from tests.support.champions import make_champion
from tests.support.graphs import Graph


@pytest.fixture
def graph(tmp_path: Path) -> Graph:
    return Graph(tmp_path)


def asked(graph: Graph) -> str:
    request = graph.asked(refresh_downstream)
    return f"{request.job_name} {request.partition_key or ''}".strip()


def test_an_empty_store_is_up_to_date(graph: Graph) -> None:
    assert graph.tick(refresh_downstream) == "Everything is up to date."


def test_candidates_are_judged_selected_and_compared(graph: Graph) -> None:
    graph.train()
    assert asked(graph) == "evaluate_candidate baseline"
    graph.judge("baseline", "baseline_model")
    assert asked(graph) == "evaluate_candidate finetuned"
    graph.judge("finetuned", "finetuned_bert")
    evaluations = ("evaluation/baseline", "evaluation/finetuned")
    request = graph.asked(refresh_downstream)
    assert request.job_name == "select_champion"
    assert request.asset_selection == [dg.AssetKey("selected_model"), dg.AssetKey("champion")]
    graph.make("selected_model", "splits", *evaluations)
    assert asked(graph) == "compare_candidates"
    graph.compare()
    assert graph.tick(refresh_downstream) == "Everything is up to date."


def test_candidates_are_compared_although_the_selection_failed(graph: Graph) -> None:
    graph.train()
    graph.select()
    make_champion(graph.store.bundles.root)
    graph.make("champion", "selected_model", meta={"sequence": 1})
    graph.compare()
    assert graph.tick(refresh_downstream) == "Everything is up to date."
    graph.judge("finetuned", "finetuned_bert", content="again")
    request = graph.asked(refresh_downstream)
    assert request.job_name == "select_champion"
    graph.instance.report_run_failed(graph.launch("select_champion", request))
    assert asked(graph) == "compare_candidates"


def test_variants_are_refreshed_only_if_there_were_any_and_as_they_were(graph: Graph) -> None:
    graph.train()
    graph.make("distilled_bert/distilled-3l", "splits", "finetuned_bert")
    graph.make("quantized_bert/distilled-3l-openvino-int8", "splits", "distilled_bert/distilled-3l")
    graph.train("again")

    request = graph.asked(refresh_downstream)
    assert (request.job_name, request.partition_key) == ("distill_student", "distilled-3l")
    assert request.run_config == {"ops": {"distilled_bert": {"config": {"epochs": 2}}}}
    graph.make("distilled_bert/distilled-3l", "splits", "finetuned_bert", content="again")
    assert asked(graph) == "quantize_model distilled-3l-openvino-int8"


def test_an_ensemble_waits_for_both_of_its_members(graph: Graph) -> None:
    graph.train()
    graph.make("quantized_bert/finetuned-openvino-int8", "splits", "finetuned_bert")
    members = ("baseline_model", "quantized_bert/finetuned-openvino-int8")
    graph.make("ensemble_model/ensemble-finetuned-openvino-int8", "splits", *members)
    graph.train("again")

    assert asked(graph) == "quantize_model finetuned-openvino-int8"
    graph.make("quantized_bert/finetuned-openvino-int8", "splits", "finetuned_bert", content="again")
    assert asked(graph) == "combine_models ensemble-finetuned-openvino-int8"
    graph.make("ensemble_model/ensemble-finetuned-openvino-int8", "splits", *members, content="again")
    graph.make("baseline_model", "splits", content="tuned again")
    assert asked(graph) == "combine_models ensemble-finetuned-openvino-int8"


def test_a_frozen_encoder_is_evaluated_once_somebody_has_made_it_on_these_splits(graph: Graph) -> None:
    graph.train()
    graph.select()
    graph.make("frozen_encoder", "splits")
    assert asked(graph) == "evaluate_candidate frozen"
    graph.judge("frozen", "frozen_encoder")
    assert asked(graph) == "select_champion"
    graph.train("again")
    graph.select()
    assert "frozen" not in str(graph.tick(refresh_downstream))


def test_a_champion_that_was_moved_elsewhere_is_stored_without_a_selection(graph: Graph) -> None:
    graph.train()
    graph.select()
    for sequence in (1, 2):
        make_champion(graph.store.bundles.root, seed=sequence)
        request = graph.asked(refresh_downstream)
        assert request.asset_selection == [dg.AssetKey("champion")]
        graph.make("champion", "selected_model", content=str(sequence), meta={"sequence": sequence})
        assert asked(graph) == "compare_candidates", "the leaderboard marks the champion"
        graph.compare()
        assert graph.tick(refresh_downstream) == "Everything is up to date."


def test_new_splits_wait_for_the_training(graph: Graph) -> None:
    graph.train()
    graph.select()
    graph.make("splits", content="more articles")
    assert graph.tick(refresh_downstream) == "Everything is up to date."


def test_batches_that_come_after_a_training_hold_up_nothing(graph: Graph) -> None:
    graph.receive("b1", real=10, fake=10)
    graph.train()
    graph.receive("b2", real=10, fake=10)
    assert asked(graph) == "evaluate_candidate baseline"
    graph.select()
    graph.receive("b3", real=10, fake=10)
    assert graph.tick(refresh_downstream) == (
        "Nothing is outdated since the last training. 2 new batches wait for the next training: see new_rows_sensor."
    )


def test_a_batch_that_left_the_corpus_is_named(graph: Graph) -> None:
    for batch in ("b1", "b2"):
        graph.receive(batch, real=10, fake=10)
    graph.train()
    graph.select()
    graph.instance.delete_dynamic_partition("news_batches", "b2")
    assert graph.tick(refresh_downstream) == (
        "Nothing is outdated since the last training. b2 left the corpus since the last training; the next one does without."
    )
    graph.make("raw_news/b2")
    assert "Register it (`fakenews register`)" in str(graph.tick(refresh_downstream))


def test_a_candidate_that_the_code_no_longer_has_makes_nothing_stale(graph: Graph) -> None:
    graph.train()
    graph.select()
    graph.make("evaluation/of-a-removed-candidate", "splits")
    assert graph.tick(refresh_downstream) == "Everything is up to date."


def test_what_was_tried_with_the_same_inputs_waits_for_a_person(graph: Graph) -> None:
    graph.train()
    request = graph.asked(refresh_downstream)
    run = graph.launch("evaluate_candidate", request)
    assert "in progress" in str(graph.tick(refresh_downstream))
    graph.instance.report_run_failed(run)
    assert asked(graph) == "evaluate_candidate finetuned"
    graph.judge("finetuned", "finetuned_bert")
    assert graph.tick(refresh_downstream) == (
        "Already tried with the same inputs; see the runs of: evaluation/baseline."
    )


def test_a_selection_does_not_miss_the_variants_that_it_did_not_choose(graph: Graph) -> None:
    graph.train()
    graph.judge("baseline", "baseline_model")
    graph.judge("finetuned", "finetuned_bert")
    variants = ("finetuned-openvino-int8", "finetuned-onnx-int8")
    for variant in variants:
        graph.make(f"quantized_bert/{variant}", "splits", "finetuned_bert")
        graph.judge(variant, f"quantized_bert/{variant}")
    judged = [f"evaluation/{name}" for name in ("baseline", "finetuned", *variants)]
    graph.compare()
    graph.make("selected_model", "splits", f"quantized_bert/{variants[0]}", *judged)
    assert graph.tick(refresh_downstream) == "Everything is up to date."
    # One more that is judged, though, has to be compared.
    graph.make("quantized_bert/finetuned-openvino-bf16", "splits", "finetuned_bert")
    graph.judge("finetuned-openvino-bf16", "quantized_bert/finetuned-openvino-bf16")
    assert asked(graph) == "select_champion"


def test_what_an_earlier_version_of_the_code_has_made_is_named(graph: Graph) -> None:
    graph.receive("b1", real=10, fake=10)
    graph.train()
    graph.select()
    assert graph.tick(refresh_downstream) == "Everything is up to date."
    graph.codes |= {"clean_news": "0", "splits": "0"}
    graph.receive("b1", real=10, fake=10)
    graph.make("splits", "clean_news/b1")
    said = str(graph.tick(refresh_downstream))
    assert "Made by an earlier version of the code: clean_news, splits." in said
    assert "up to date" not in said


def test_runs_of_other_projects_hold_up_nothing(graph: Graph) -> None:
    @dg.job
    def of_a_stranger() -> None: ...

    graph.train()
    graph.instance.create_run_for_job(of_a_stranger, status=dg.DagsterRunStatus.STARTED)
    assert asked(graph) == "evaluate_candidate baseline"
    graph.launch("retrain")
    assert "of retrain is in progress" in str(graph.tick(refresh_downstream))
