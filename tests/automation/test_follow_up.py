"""What follows a training by itself: in which order, never twice, and nothing that was not asked for."""

from pathlib import Path

import dagster as dg
import pytest

from fakenews_assets.automation.sensors import follow_up
from fakenews_assets.definitions import defs
from fakenews_resources.storage import Storage
from fakenews_resources.store import Store

CONFIGS = {"distilled_bert": {"epochs": 2}}


class Graph:
    """A store whose values are made by hand, and the sensor that looks at it."""

    def __init__(self, root: Path) -> None:
        self.store = Store(root)
        self.instance = dg.DagsterInstance.ephemeral()
        assets = defs.resolve_asset_graph()
        self.codes = {
            key.to_user_string(): assets.get(key).code_version for key in assets.get_all_asset_keys()
        }

    def make(self, key: str, *inputs: str, content: str = "") -> None:
        draft = self.store.draft()
        (draft.path / "content").write_text(f"{key} {content}")
        asset = key.split("/")[0]
        self.store.commit(
            key,
            draft,
            code_version=self.codes[asset],
            config=CONFIGS.get(asset, {}),
            upstream={name: self.store.current(name).version for name in inputs},
        )

    def train(self, content: str = "") -> None:
        self.make("splits", content=content)
        self.make("baseline_model", "splits", content=content)
        self.make("finetuned_bert", "splits", content=content)

    def judge(self, candidate: str, model: str) -> None:
        self.make(f"evaluation/{candidate}", "splits", model, content=self.store.current(model).version)

    def tick(self) -> dg.RunRequest | str:
        with dg.build_sensor_context(
            instance=self.instance,
            repository_def=defs.get_repository_def(),
            resources={"storage": Storage(root=str(self.store.root))},
        ) as context:
            results = list(follow_up(context))  # pyright: ignore[reportArgumentType]
        assert len(results) == 1
        (found,) = results
        if isinstance(found, dg.RunRequest):
            return found
        assert isinstance(found, dg.SkipReason)
        return str(found.skip_message)

    def asked(self) -> str:
        found = self.tick()
        assert isinstance(found, dg.RunRequest), found
        return f"{found.job_name} {found.partition_key or ''}".strip()


@pytest.fixture
def graph(tmp_path: Path) -> Graph:
    return Graph(tmp_path)


def test_nothing_follows_from_nothing(graph: Graph) -> None:
    assert graph.tick() == "Everything is up to date."


def test_candidates_are_judged_compared_and_selected(graph: Graph) -> None:
    graph.train()
    assert graph.asked() == "evaluate_candidate baseline"
    graph.judge("baseline", "baseline_model")
    assert graph.asked() == "evaluate_candidate finetuned"
    graph.judge("finetuned", "finetuned_bert")
    evaluations = ("evaluation/baseline", "evaluation/finetuned")
    assert graph.asked() == "compare_candidates"
    graph.make("leaderboard", "splits", *evaluations)
    assert graph.asked() == "select_champion"
    graph.make("selected_model", "splits", *evaluations)
    assert graph.tick() == "Everything is up to date."


def test_variants_are_renewed_only_if_there_were_any_and_as_they_were(graph: Graph) -> None:
    graph.train()
    graph.make("distilled_bert/distilled-3l", "splits", "finetuned_bert")
    graph.make("quantized_bert/distilled-3l-openvino-int8", "splits", "distilled_bert/distilled-3l")
    graph.train("again")

    request = graph.tick()
    assert isinstance(request, dg.RunRequest)
    assert (request.job_name, request.partition_key) == ("distill_student", "distilled-3l")
    assert request.run_config == {"ops": {"distilled_bert": {"config": {"epochs": 2}}}}
    graph.make("distilled_bert/distilled-3l", "splits", "finetuned_bert", content="again")
    assert graph.asked() == "quantize_model distilled-3l-openvino-int8"


def test_new_splits_wait_for_the_training(graph: Graph) -> None:
    graph.train()
    graph.judge("baseline", "baseline_model")
    graph.judge("finetuned", "finetuned_bert")
    graph.make("leaderboard", "splits", "evaluation/baseline", "evaluation/finetuned")
    graph.make("selected_model", "splits", "evaluation/baseline", "evaluation/finetuned")
    graph.make("splits", content="more articles")
    assert graph.tick() == "Everything is up to date."


def test_what_was_tried_with_the_same_inputs_waits_for_a_person(graph: Graph) -> None:
    graph.train()
    request = graph.tick()
    assert isinstance(request, dg.RunRequest)
    job = defs.resolve_job_def("evaluate_candidate")
    run = graph.instance.create_run_for_job(job, tags={"dagster/run_key": request.run_key or ""})
    assert "in progress" in str(graph.tick())
    graph.instance.report_run_failed(run)
    assert graph.asked() == "evaluate_candidate finetuned"
    graph.judge("finetuned", "finetuned_bert")
    assert graph.tick() == "Tried already with the same inputs, see their runs: evaluation/baseline."
