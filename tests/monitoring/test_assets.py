"""The monitoring group on a real graph with a real champion."""

from datetime import timedelta
from typing import Any

import dagster as dg
import httpx
import polars as pl
import pytest
from prometheus_client import CollectorRegistry
from rich.console import Console
from starlette.testclient import TestClient

from fakenews_assets.cli.errors import CommandFailed
from fakenews_assets.cli.monitoring.monitor import monitor_app
from fakenews_assets.cli.running import GraphRunner
from fakenews_assets.monitoring.drift.verdict import DRIFT_PAGES, DriftVerdict
from fakenews_assets.monitoring.performance import PerformanceVerdict
from fakenews_resources.news.sample import SampleSpec, write_sample
from tests.support.watched import DAY, Watched, sample_articles

TEN_MEGABYTES = 10_000_000


def report(day: Any = DAY, **drift: Any) -> GraphRunner:
    with GraphRunner(Console(quiet=True)) as runner:
        config = {"drift_report": {"permutations": 499, **drift}, "monitoring_page": {"until": str(DAY)}}
        runner.run("monitor_day", str(day), config, {"prediction_log"})
    return runner


def drift(watched: Watched, day: Any = DAY) -> DriftVerdict:
    return DriftVerdict.read(watched.store.current(f"drift_report/{day}").path)


def performance(watched: Watched, day: Any = DAY) -> PerformanceVerdict:
    return PerformanceVerdict.read(watched.store.current(f"performance_report/{day}").path)


def checks(runner: GraphRunner) -> dict[str, bool]:
    with dg.DagsterInstance.get() as instance:
        records = instance.get_records_for_run(
            runner.run_ids[-1], of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
        ).records
    found = [
        one.event_log_entry.dagster_event.asset_check_evaluation_data
        for one in records
        if one.event_log_entry.dagster_event
    ]
    return {one.check_name: one.passed for one in found}


def test_articles_like_those_of_the_training_have_not_drifted(watched: Watched) -> None:
    watched.answer(sample_articles(400))
    runner = report()
    verdict = drift(watched)
    assert verdict.rows == pytest.approx(400, abs=15)  # some titles become one article
    assert verdict.model_id == watched.champion
    assert verdict.drifted is False, verdict.summary
    assert {one.name for one in verdict.features} >= {"embedding", "probability", "title words"}
    assert checks(runner) == {
        "no_drift": True,
        "abstains_as_evaluated": True,
        "defers_as_evaluated": True,
        "as_good_as_evaluated": True,
    }
    log = watched.store.current(f"prediction_log/{DAY}")
    assert log.scan("predictions").collect().height == 400
    found = watched.store.current(f"drift_report/{DAY}").read_json("verdict.json")
    for feature in found["features"]:
        assert feature["measure"] in ("wasserstein", "auc")
        assert feature["value"] >= 0
        assert feature["chance"] > 0


def test_another_era_has_drifted_and_the_pages_say_the_same(watched: Watched) -> None:
    watched.answer(sample_articles(400, era=3))
    runner = report()
    verdict = drift(watched)
    assert verdict.drifted is True
    embedding = next(one for one in verdict.features if one.name == "embedding")
    assert embedding.drifted
    assert verdict.abstentions is not None
    assert verdict.abstentions.rows == verdict.rows
    assert verdict.abstentions.reference_rows == verdict.reference_rows
    assert checks(runner)["no_drift"] is False
    folder = watched.store.current(f"drift_report/{DAY}").path
    for page in DRIFT_PAGES:
        text = (folder / f"{page}.html").read_text(encoding="utf-8")
        assert len(text) < TEN_MEGABYTES
        # Self-contained: nothing is fetched from anywhere.
        assert "<script src=" not in text
        assert '<link rel="stylesheet" href="http' not in text
    tests = (folder / "drift_tests.html").read_text(encoding="utf-8")
    assert f"Drift score is {embedding.value:0.2f}" in tests
    for feature in verdict.features:
        assert f"Value Drift for column {feature.name}" in tests
    _the_page_shows_the_days_and_leads_to_the_reports(watched)


def _the_page_shows_the_days_and_leads_to_the_reports(watched: Watched) -> None:
    page = (watched.store.current("monitoring_page").path / "index.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 4
    assert watched.champion[:12] in page
    assert "drifted" in page
    assert "Scores on the generated sample corpus" in page
    with TestClient(monitor_app(watched.store, CollectorRegistry())) as client:
        assert client.get("/").text == page
        for name in DRIFT_PAGES:
            link = f"reports/{DAY}/{name}.html"
            assert link in page
            assert client.get(f"/{link}").status_code == httpx.codes.OK
        version = watched.store.current(f"drift_report/{DAY}").version
        folder = f"/stored/drift_report/{DAY}/{version}"
        assert client.get(f"{folder}/data_drift.html").status_code == httpx.codes.OK
        for wrong in (
            f"{folder}/verdict.json",
            f"{folder}/..%2f{version}.json",
            f"/stored/drift_report/{DAY}/{'0' * 32}/data_drift.html",
            f"/stored/..%2f..%2fmodels/{version}/data_drift.html",
            f"/reports/{DAY}/verdict.html",
            "/reports/2026-11-19/data_drift.html",
            "/reports/../data_drift.html",
        ):
            assert client.get(wrong).status_code == httpx.codes.NOT_FOUND


def test_a_log_without_titles_is_judged_by_probabilities_and_says_so(watched: Watched) -> None:
    watched.answer(sample_articles(300), content="hash")
    report()
    verdict = drift(watched)
    assert [one.name for one in verdict.features] == ["probability"]
    assert "FAKENEWS_LOG_CONTENT=text" in verdict.notes[0]
    folder = watched.store.current(f"drift_report/{DAY}").path
    assert not (folder / "text_metrics.html").exists()
    assert (folder / "data_drift.html").exists()


def test_too_few_answers_say_nothing(watched: Watched) -> None:
    watched.answer(sample_articles(50))
    runner = report()
    assert drift(watched).drifted is None
    assert "Too few answers for a verdict: 50 different articles, 200 are needed." in drift(watched).summary
    assert checks(runner)["no_drift"] is True


def test_a_day_without_traffic_is_reported(watched: Watched) -> None:
    report()
    assert drift(watched).model_id is None
    assert performance(watched).model_id is None


def test_the_last_rows_reach_into_earlier_days(watched: Watched) -> None:
    watched.answer(sample_articles(150, seed=1), DAY - timedelta(days=1))
    report(DAY - timedelta(days=1))
    watched.answer(sample_articles(150, seed=2))
    report(last_rows=250)
    assert 200 < drift(watched).rows <= 250  # without near-duplicates
    record = watched.store.current(f"drift_report/{DAY}").record
    assert record is not None
    assert {f"prediction_log/{DAY}", f"prediction_log/{DAY - timedelta(days=1)}"} <= record.upstream.keys()


def test_answers_of_a_model_that_is_gone_are_refused_with_a_reason(watched: Watched) -> None:
    watched.answer(sample_articles(300), model_id="0" * 64)
    with pytest.raises(CommandFailed, match="no bundle"):
        report()


def test_feedback_is_held_against_the_evaluation(watched: Watched) -> None:
    articles = sample_articles(400)
    ids = watched.answer(articles, DAY - timedelta(days=2))
    report(DAY - timedelta(days=2))
    assert "Too few labels" in performance(watched, DAY - timedelta(days=2)).summary
    watched.say(ids, articles["label"].to_list())
    runner = report()
    verdict = performance(watched)
    assert verdict.labels["feedback"] > 350
    assert verdict.dropped is False, verdict.summary
    assert verdict.metrics is not None
    answers = watched.store.current(f"prediction_log/{DAY - timedelta(days=2)}").scan("predictions").collect()
    said = pl.DataFrame({"request_id": ids, "truth": articles["label"]}).drop_nulls()
    both = answers.join(said, on="request_id").unique("article_id", keep="last", maintain_order=True)
    right = both.filter(pl.col("predicted_label") == pl.col("truth")).height / both.height
    assert verdict.metrics.accuracy == pytest.approx(right, abs=0.02)
    assert checks(runner)["as_good_as_evaluated"] is True


def test_wrong_answers_are_a_drop(watched: Watched) -> None:
    articles = sample_articles(400)
    ids = watched.answer(articles)
    watched.say(ids, [None if label is None else 1 - label for label in articles["label"]])
    runner = report()
    assert performance(watched).dropped is True
    assert checks(runner)["as_good_as_evaluated"] is False


def test_a_labelled_batch_gives_labels_to_answers_before_it(watched: Watched) -> None:
    source = watched.root / "late.csv"
    write_sample(SampleSpec(rows=500, seed=60), source)
    today = watched.answer(sample_articles(1))  # keeps the day from being empty
    assert today
    rows = pl.read_csv(source, schema_overrides={"label": pl.String}).drop_nulls("title")
    watched.answer(rows.select("title", pl.col("text").fill_null("")))
    with GraphRunner(Console(quiet=True)) as runner:
        runner.add_batch("late")
        runner.ingest("late", str(source))
        came = runner.store.current("clean_news/late").meta["received_at"][:10]
    with GraphRunner(Console(quiet=True)) as runner:
        runner.run("monitor_day", str(DAY), {}, {"prediction_log"})
        runner.run("monitor_day", came, {}, {"prediction_log"})
    verdict = performance(watched, came)
    assert verdict.labels.get("batch", 0) > 350, verdict
    record = watched.store.current(f"performance_report/{came}").record
    assert record is not None
    assert "clean_news/late" in record.upstream
    assert "clean_news/b1" in record.upstream or verdict.rows == verdict.labels["batch"]
