"""Row-parallel work on a real Ray cluster of two nodes: the same results as in this process, in the same order."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
import ray
from ray.cluster_utils import Cluster

from fakenews_assets.common import progress
from fakenews_assets.compression.teacher import score_rows
from fakenews_assets.data.cleaning.cleaning import CleaningLimits, clean_batch
from fakenews_assets.data.dedup.near_duplicates import NearDuplicateSettings, find_links
from fakenews_assets.data.text.preparation import TextPreparation
from fakenews_assets.serving.batch import score_table, shipped_scorer
from fakenews_resources.engine import ray as ray_map
from fakenews_resources.engine.in_process import OrderedMap, ShippedFolder, in_process
from fakenews_resources.engine.resource import Engine, engine_from_environment
from fakenews_resources.news.sample import SampleSpec, write_sample
from tests.support.champions import make_champion
from tests.support.engine_workers import (
    failing,
    in_folder,
    killed_always,
    killed_once,
    slow_where_even,
    squared,
    where,
)
from tests.support.models import build_tiny_classifier, separable_articles

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """The engine on a cluster of two nodes with one processor each."""
    with pytest.MonkeyPatch.context() as patch:
        # Nodes start their workers in an environment of their own.
        patch.setenv("PYTHONPATH", str(REPOSITORY))
        node: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 100 * 2**20}
        cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
        cluster.add_node(**node)
        cluster.wait_for_nodes()
        assert cluster.address
        engine = Engine(address=cluster.address)
        try:
            yield engine
        finally:
            ray.shutdown()
            cluster.shutdown()


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("worker", [squared, slow_where_even])
def test_results_come_in_the_order_of_the_pieces(
    engine: Engine, worker: Callable[[], Callable[[int], int]]
) -> None:
    assert list(engine.map(worker, range(12))) == list(in_process(worker, range(12)))


def test_pieces_are_drawn_as_results_are_taken(engine: Engine) -> None:
    drawn: list[int] = []

    def pieces() -> Iterator[int]:
        for number in range(1000):
            drawn.append(number)
            yield number

    results = engine.map(squared, pieces())
    assert [next(results) for _ in range(3)] == [0, 1, 4]
    assert len(drawn) <= 3 + 2 * 2  # two for each processor of the cluster
    results.close()  # pyright: ignore[reportAttributeAccessIssue]  # it is a generator


def test_both_nodes_work_and_each_process_loads_once(engine: Engine, tmp_path: Path) -> None:
    places = list(engine.map(partial(where, tmp_path / "loads"), range(40)))

    loads = (tmp_path / "loads").read_text().split()
    assert {node for node, _ in places} == {node["NodeID"] for node in ray.nodes()}
    assert len(loads) == len(set(loads))
    assert {str(process) for _, process in places} <= set(loads)
    assert str(os.getpid()) not in loads


def test_an_error_is_raised_as_it_was(engine: Engine) -> None:
    results = engine.map(failing, range(10))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(KeyError, match="row 3 has no title"):
        next(results)


def test_a_piece_whose_process_dies_is_done_again(engine: Engine, tmp_path: Path) -> None:
    marker = tmp_path / "killed"
    assert list(engine.map(partial(killed_once, marker), range(10))) == [10 * number for number in range(10)]
    assert marker.exists()


def test_a_piece_that_kills_every_process_is_a_failure(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_map, "_task", ray_map._task.options(max_retries=0))  # a new process takes seconds
    with pytest.raises(dg.Failure, match="memory"):
        list(engine.map(killed_always, range(1)))


def test_folders_travel_by_content(engine: Engine, tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "weights").write_text("of the model")

    ((there, text),) = engine.map(partial(in_folder, ShippedFolder(folder)), ["model/weights"])

    assert text == "of the model"
    assert Path(there).name == "bundle"
    assert Path(there) != folder


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("raw") / "news.csv"
    write_sample(SampleSpec(rows=6000), path)
    return path


def cleaned(raw: Path, folder: Path, over: OrderedMap) -> Path:
    folder.mkdir()
    summary = clean_batch(
        [raw], "b", folder, preparation=TextPreparation(), limits=CleaningLimits(), over=over
    )
    (folder / "summary.json").write_text(summary.model_dump_json())
    return folder


def test_cleaning_is_the_same(
    engine: Engine, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fakenews_assets.data.receiving import raw_files

    monkeypatch.setattr(raw_files, "read_raw", partial(raw_files.read_raw, chunk_rows=1000))
    here, there = (
        cleaned(raw, tmp_path / name, over) for name, over in (("here", in_process), ("there", engine.map))
    )
    assert files(there) == files(here)
    assert len(list(here.glob("articles-*.parquet"))) > 5


def test_clustering_is_the_same(engine: Engine, raw: Path, tmp_path: Path) -> None:
    articles = pl.scan_parquet(cleaned(raw, tmp_path / "clean", in_process) / "articles-*.parquet")
    here, there = (find_links(articles, NearDuplicateSettings(), over) for over in (in_process, engine.map))
    assert len(here.edges) > 100
    for name, values in vars(here).items():
        assert (values == vars(there)[name]).all(), name


def test_teacher_scores_are_the_same(engine: Engine, tmp_path: Path) -> None:
    teacher = build_tiny_classifier(tmp_path / "teacher")
    train = separable_articles(700, seed=1, with_text=True)
    scores = {}
    for name, over in (("here", in_process), ("there", engine.map)):
        (tmp_path / name).mkdir()
        heard: list[progress.Progress] = []
        with progress.listening(heard.append), progress.step("scoring"):
            scores[name] = score_rows(teacher, train, [0, 1], tmp_path / name, with_texts=True, over=over)
        assert (heard[-1].done, heard[-1].total) == (1400, 1400)
    assert scores["here"].logits.equal(scores["there"].logits)
    assert scores["here"].states.equal(scores["there"].states)


def test_batch_predictions_are_the_same(
    engine: Engine, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fakenews_assets.serving.batch._ROWS_AT_ONCE", 1000)
    parts = sorted(cleaned(raw, tmp_path / "clean", in_process).glob("articles-*.parquet"))
    bundle = tmp_path / "models" / make_champion(tmp_path / "models")
    summaries = []
    for name, over in (("here", in_process), ("there", engine.map)):
        (tmp_path / name).mkdir()
        summaries.append(
            score_table(partial(shipped_scorer, ShippedFolder(bundle)), parts, tmp_path / name, over=over)
        )
    assert files(tmp_path / "here") == files(tmp_path / "there")
    assert summaries[0] == summaries[1]
    assert summaries[0].rows == pl.scan_parquet(parts).select(pl.len()).collect().item() > 5000


def test_the_environment_names_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FAKENEWS_ENGINE", raising=False)
    assert engine_from_environment().address == "in_process"
    monkeypatch.setenv("FAKENEWS_ENGINE", "ray://head:10001")
    assert engine_from_environment().address == "ray://head:10001"


def test_without_ray_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "fakenews_resources.engine.ray", raising=False)
    with pytest.raises(dg.Failure, match=r"pip install '\.\[ray\]'"):
        list(Engine(address="ray").map(squared, range(2)))
    assert list(Engine().map(squared, range(2))) == [0, 1]


_LOCAL = """
import sys
import dagster as dg
from fakenews_resources.engine.resource import Engine
from tests.support.engine_workers import squared

@dg.op
def work(engine: Engine):
    assert list(engine.map(squared, range(5))) == [0, 1, 4, 9, 16]

@dg.job(resource_defs={"engine": Engine(address=sys.argv[1])})
def job():
    work()

result = job.execute_in_process(raise_on_error=False)
print([event.event_specific_data.error.message for event in result.all_events if event.is_step_failure])
import ray
print(ray.is_initialized())
"""


@pytest.mark.server
@pytest.mark.parametrize(
    ("address", "said"), [("ray", "[]\nFalse"), ("127.0.0.1:9", "No Ray at '127.0.0.1:9'")]
)
def test_a_ray_of_its_own_ends_with_the_run_and_an_absent_one_is_a_failure(address: str, said: str) -> None:
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", _LOCAL, address]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    assert said in done.stdout
