"""The whole graph with a tiny encoder on a real Dagster instance: from files to a champion."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from rich.console import Console

from fakenews_assets.cli.errors import CommandFailed
from fakenews_assets.cli.running import GraphRunner
from fakenews_assets.data.receiving.raw_files import raw_files
from fakenews_assets.data.splits.splitting import SPLITS, seen_rows
from fakenews_assets.data.splits.verification import moved_articles, split_table
from fakenews_assets.definitions import defs
from fakenews_assets.models.predictions import predict_table
from fakenews_assets.registry.bundle import load_bundled, open_bundle, write_bundle
from fakenews_assets.registry.champion import ChampionRegistry
from fakenews_assets.selection.champion import ChampionRecord
from fakenews_assets.selection.decision import Decision
from fakenews_assets.serving.bento import BentoRecord
from fakenews_resources.news.sample import SampleSpec, write_sample
from fakenews_resources.storage.artifact import Artifact
from tests.support.lifecycle import QUICK_PROBES, settings
from tests.support.watched import QUICK_EVALUATION, Watched, timed_by_processor

pytestmark = pytest.mark.daemon

ROWS = 1500


def sample(path: Path, seed: int, rows: int = ROWS) -> Path:
    write_sample(SampleSpec(rows=rows, seed=seed), path)
    return path


def run(batch: str, source: str, config: Mapping[str, Any], variants: Sequence[str] = ()) -> GraphRunner:
    with GraphRunner(Console(quiet=True)) as runner, timed_by_processor():
        runner.add_batch(batch)
        runner.lifecycle(batch, source, config, variants)
    return runner


def splits(splits: Artifact) -> pl.DataFrame:
    return split_table({split: splits.scan(split) for split in SPLITS})


@pytest.mark.longest
def test_a_batch_becomes_a_champion_and_a_second_run_does_nothing(project: Path, encoder: Path) -> None:
    source = str(sample(project / "news.csv", seed=1))
    variants = (
        "distilled-2l",
        "static",
        "finetuned-openvino-int8",
        "ensemble-finetuned-openvino-int8",
        "cascade-finetuned-openvino-int8",
    )
    config = {
        "finetuned_bert": settings(encoder),
        "distilled_bert": {"epochs": 1},
        "quantized_bert": {"calibration_rows": 40},
        "baseline_model": {"style": 0},  # which would take as long as so small an encoder
        "evaluation": QUICK_EVALUATION,
        "selected_model": {"max_latency_ms": 1000},
    }
    first = run("b1", source, config, variants)
    store = first.store

    summary = store.current("clean_news/b1").read_json("summary.json")
    splits = store.current("splits")
    assert summary["rows_in"] == ROWS
    assert summary["rows_in"] == summary["rows_out"] + sum(summary["rejected"].values())
    excluded = splits.scan("excluded").collect()
    assert sum(splits.meta["rows"].values()) + len(excluded) == summary["rows_out"]
    candidates = {"baseline", "finetuned", *variants}
    for candidate in candidates:
        evaluation = store.current(f"evaluation/{candidate}")
        scores = evaluation.read_json("evaluation.json")
        assert scores["candidate"] == candidate
        assert scores["rows"] == splits.meta["rows"]["test"] - splits.meta["unseen_rows"]["test"]
        assert len(scores["unseen"]["publishers"]) > 3
        assert 0 <= scores["metrics"]["macro_f1"] <= 1
        assert len(pl.read_parquet(evaluation.path / "predictions.parquet")) == scores["rows"]
        assert (evaluation.path / "reliability.png").read_bytes().startswith(b"\x89PNG")
        assert evaluation.record is not None
        assert evaluation.record.upstream["splits"] == splits.version
    assert store.current("evaluation/baseline").read_json("evaluation.json")["metrics"]["accuracy"] > 0.75

    board = pl.read_parquet(store.current("leaderboard").path / "leaderboard.parquet")
    assert set(board["candidate"]) == candidates
    decision = Decision.read(store.current("selected_model").path)
    champion = ChampionRegistry(store.root / "models").champion()
    assert champion is not None
    assert (decision.promoted, decision.bundle) == (True, champion.bundle)
    assert board.filter("is_champion")["candidate"].to_list() == [decision.candidate]
    bundle = open_bundle(store.root / "models" / champion.bundle)
    assert bundle.manifest.data_versions["splits"] == splits.version
    assert {"raw_news/b1", "clean_news/b1", "article_clusters"} < bundle.manifest.data_versions.keys()
    judged = pl.read_parquet(store.current(f"evaluation/{decision.candidate}").path / "predictions.parquet")
    served = predict_table(load_bundled(bundle), seen_rows(splits, "test").collect())
    assert served.equals(judged)

    ensemble = store.current("ensemble_model/ensemble-finetuned-openvino-int8").record
    assert ensemble is not None
    assert ensemble.upstream.keys() == {"splits", "baseline_model", "quantized_bert/finetuned-openvino-int8"}

    cascade = store.current("cascade_model/cascade-finetuned-openvino-int8").record
    assert cascade is not None
    assert cascade.upstream.keys() == {"splits", "ensemble_model/ensemble-finetuned-openvino-int8"}
    deferred = {
        name: store.current(f"evaluation/{name}").read_json("evaluation.json")["deferred_share"]
        for name in candidates
    }
    # So small a validation split bounds no loss.
    assert {name: share for name, share in deferred.items() if share is not None} == {variants[-1]: 1}

    assert len(first.run_ids) == 15
    assert run("b1", source, config, variants).run_ids == []

    changed = run("b1", source, {**config, "finetuned_bert": settings(encoder, seed=1)})
    with dg.DagsterInstance.get() as instance:
        made = [
            event.asset_key.to_user_string()
            for run_id in changed.run_ids
            for event in (
                record.asset_materialization
                for record in instance.all_logs(run_id)
                if record.asset_materialization
            )
        ]
    assert made == ["finetuned_bert", "evaluation", "selected_model", "champion", "leaderboard"]


@pytest.mark.usefixtures("watched")
def test_a_student_that_cannot_be_had_fails_and_says_why() -> None:
    with GraphRunner(Console(quiet=True)) as runner:
        with pytest.raises(CommandFailed, match="distilbert-base-uncased"):
            runner.run("distill_student", "distilbert", {})
        assert not runner.store.exists("distilled_bert/distilbert")


@pytest.mark.usefixtures("project")
def test_found_settings_are_used_only_when_asked_for(encoder: Path) -> None:
    base = settings(encoder)
    search = {"trials": 2, "rows": 200, "val_rows": 60, "base": base, "batch_size": None}
    with GraphRunner(Console(quiet=True)) as runner:
        runner.add_batch("b1")
        runner.ingest("b1", "sample:rows=600")
        runner.run("prepare_corpus", None, QUICK_PROBES)
        runner.run("search_hyperparameters", None, {"hyperparameter_search": search})
        found = runner.store.current("hyperparameter_search")
        trained = []
        for asked in (False, True):
            runner.run("train_candidates", None, {"finetuned_bert": {**base, "use_search": asked}})
            trained.append(runner.store.current("finetuned_bert"))
        runner.run("prune_encoder", None, {"pruned_bert": {"epochs": 1}})
        pruned = runner.store.current("pruned_bert")

    best = found.read_json("search.json")["best_changes"]
    assert best.keys() == {"learning_rate", "warmup", "dropout"}
    without, using = (model.read_json("training.json")["settings"] for model in trained)
    assert without["learning_rate"] == base["learning_rate"]
    assert {name: using[name] for name in best} == best
    assert trained[0].record is not None
    assert trained[1].record is not None
    assert "hyperparameter_search" not in trained[0].record.upstream
    assert trained[1].record.upstream["hyperparameter_search"] == found.version
    assert pruned.read_json("config.json")["kept_heads"] == 1
    assert (pruned.path / "model.safetensors").stat().st_size < (
        trained[1].path / "model.safetensors"
    ).stat().st_size


def test_the_champion_rolls_back_with_a_reason(watched: Watched) -> None:
    registry = ChampionRegistry(watched.store.bundles.root)
    first = registry.champion()
    assert first is not None
    decision = watched.store.current("selected_model").version
    copy = watched.store.root / "draft"
    shutil.copytree(registry.backend.root / first.bundle, copy)
    (copy / "model_card.md").write_text("another card")
    manifest = open_bundle(registry.backend.root / first.bundle).manifest
    (copy / "manifest.json").unlink()
    second = write_bundle(copy, registry.backend.root, manifest)
    registry.promote(second, expected=first.bundle, reason="by hand", run_id=None, promoted_by="test")

    with dg.DagsterInstance.get() as instance:
        result = defs.resolve_job_def("rollback_champion").execute_in_process(
            instance=instance,
            run_config={"ops": {"move_champion_back": {"config": {"reason": "complaints from readers"}}}},
        )
        event = instance.get_latest_materialization_event(dg.AssetKey("champion"))
    assert result.success
    champion = registry.champion()
    assert champion is not None
    assert (champion.bundle, champion.reason) == (first.bundle, "complaints from readers")
    stored = watched.store.current("champion")
    record = ChampionRecord.read(stored.path)
    assert (record.pointer, record.decision) == (champion, decision)
    assert event is not None
    assert event.run_id == result.run_id
    assert event.asset_materialization is not None
    tags = event.asset_materialization.tags or {}
    assert tags["dagster/data_version"] == stored.version
    assert tags["dagster/input_data_version/selected_model"] == decision


def test_the_champion_leaves_as_a_bento_and_judges_a_batch(watched: Watched) -> None:
    store, champion = watched.store, watched.champion
    with GraphRunner(Console(quiet=True)) as runner:
        runner.run("build_bento", None, {"fakenews_bento": {"articles": 20}})
        runner.run("predict_batch", "b1", {})

    bento = store.current("fakenews_bento")
    record = BentoRecord.read(bento.path)
    assert record.model_id == champion
    assert record.bytes == (bento.path / "fakenews.bento").stat().st_size
    context = store.current("container_context")
    assert context.record is not None
    assert context.record.upstream == {"fakenews_bento": bento.version}
    served = context.path / "context" / "src" / "models" / champion
    assert open_bundle(served).sha == champion

    articles = store.current("clean_news/b1").scan("articles").collect()
    answers = store.current("batch_predictions/b1")
    for made in (bento, answers):
        assert made.record is not None
        assert made.record.upstream["champion"] == store.current("champion").version
        assert "selected_model" not in made.record.upstream
    assert answers.meta["model_id"] == champion
    table = answers.scan("predictions").collect()
    assert table["article_id"].to_list() == articles["article_id"].to_list()
    expected = predict_table(load_bundled(open_bundle(store.bundles.root / champion)), articles)
    assert abs(table["probability"] - expected["probability"]).max() < 1e-5  # pyright: ignore[reportOperatorIssue]


def test_a_flipped_batch_is_stopped_and_stays_out_for_good(project: Path) -> None:
    good, bad = sample(project / "good.csv", seed=1), sample(project / "bad.csv", seed=2)
    flipped = pl.read_csv(bad, infer_schema=False).with_columns(pl.col("label").replace({"0": "1", "1": "0"}))
    flipped.write_csv(bad)
    with GraphRunner(Console(quiet=True)) as runner:
        for name, file in (("good", good), ("bad", bad)):
            runner.add_batch(name)
            if name == "bad":
                with pytest.raises(
                    CommandFailed, match="label_semantics of clean_news: The labels are flipped"
                ):
                    runner.ingest(name, str(file))
            else:
                runner.ingest(name, str(file))
        runner.run("prepare_corpus", None, QUICK_PROBES)
        clusters = runner.store.current("article_clusters")
        check = dg.AssetCheckKey(dg.AssetKey("clean_news"), "label_semantics")
        verdicts = {
            info.partition_key: info.latest_execution_status
            for info in runner.instance.event_log_storage.get_asset_check_partition_info([check])
        }
    assert clusters.meta["refused_batches"] == ["bad"]
    assert set(clusters.scan("clusters").collect()["batch"]) == {"good"}
    # Each batch keeps its own verdict: the one that passed does not hide the one that failed.
    assert {name: status.value for name, status in verdicts.items()} == {"good": "SUCCEEDED", "bad": "FAILED"}


def test_a_refused_split_is_refused_again_and_never_read(project: Path) -> None:
    file = sample(project / "news.csv", seed=1)
    others = {"article_clusters": {"splits": {"train": 0.5, "val": 0.25, "selection": 0.125, "test": 0.125}}}
    with GraphRunner(Console(quiet=True)) as runner:
        runner.add_batch("b1")
        runner.ingest("b1", str(file))
        runner.run("prepare_corpus", None, QUICK_PROBES)
        accepted = runner.store.current("splits")
        for _ in range(2):
            with pytest.raises(CommandFailed, match="every_article_keeps_its_split"):
                runner.run("prepare_corpus", None, {**QUICK_PROBES, **others})
            assert runner.store.current("splits").version == accepted.version
        probes = runner.store.current("shortcut_probes").record
    assert probes is not None
    assert probes.upstream["splits"] == accepted.version


@pytest.mark.usefixtures("project")
def test_ten_times_the_articles_move_none() -> None:
    with GraphRunner(Console(quiet=True)) as runner:
        versions = []
        for batches in ({"b1": 300}, {"b2": 1500, "b3": 1500}):
            for seed, (batch, rows) in enumerate(batches.items(), start=len(versions)):
                runner.add_batch(batch)
                runner.ingest(batch, f"sample:rows={rows},seed={seed}")
            runner.run("prepare_corpus", None, QUICK_PROBES)
            versions.append(runner.store.current("splits"))
        before, after = versions
        assert splits(after).height > 8 * splits(before).height
        moves = moved_articles(splits(before), splits(after))
    assert (moves.moved, moves.gone) == (0, 0)


def test_other_bytes_under_a_known_name_are_refused_and_the_old_ones_stay(project: Path) -> None:
    file = sample(project / "news.csv", seed=1)
    with GraphRunner(Console(quiet=True)) as runner:
        runner.add_batch("b1")
        runner.ingest("b1", str(file))
        stored = runner.store.current("raw_news/b1").version
        sample(file, seed=2)
        with pytest.raises(CommandFailed, match="no longer has the bytes of batch"):
            runner.ingest("b1", str(file))
        assert runner.store.current("raw_news/b1").version == stored


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b"title,label\n", "no rows"),
        (b"claim,label\na,1\n", "--column title=claim"),
        (b"\x1f\x8b\x08\x00broken", "cut or damaged"),
        (b"title,label\n" + b"a,7\n" * 50, "--labels"),
    ],
)
def test_bad_files_fail_with_what_to_do_and_their_bytes_are_kept(
    project: Path, content: bytes, said: str
) -> None:
    file = project / "bad.csv"
    file.write_bytes(content)
    with GraphRunner(Console(quiet=True)) as runner:
        runner.add_batch("bad")
        with pytest.raises(CommandFailed, match=said):
            runner.ingest("bad", str(file))
        raw = runner.store.current("raw_news/bad")
        assert raw_files(raw)[0].read_bytes() == content
        assert not runner.store.exists("clean_news/bad")
