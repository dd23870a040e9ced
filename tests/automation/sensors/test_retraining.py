"""When a retraining starts by itself, with which configuration, and why it does not."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import dagster as dg
import numpy as np
import pytest
from dagster._core.test_utils import freeze_time

from fakenews_assets.automation.sensors import retraining
from fakenews_assets.automation.sensors.refresh import refresh_downstream
from fakenews_assets.automation.sensors.retraining import drift_sensor, new_rows_sensor
from fakenews_assets.definitions import defs
from fakenews_assets.models.bootstrap import Interval
from fakenews_assets.models.metrics import Metrics
from fakenews_assets.monitoring.drift.verdict import Abstentions, DriftVerdict, FeatureDrift
from fakenews_assets.monitoring.performance import PerformanceVerdict
from fakenews_assets.registry.champion import ChampionRegistry
from tests.support.champions import make_champion
from tests.support.graphs import CONFIGS, Graph

DAY = "2026-11-20"
MOVED = f"Drift on {DAY}: 400 articles have drifted, in multiples of what is tolerated: embedding 6.0."
DONE = dg.DagsterRunStatus.SUCCESS


class Watched(Graph):
    """A trained, selected and watched graph."""

    champion = ""

    def promote(self, encoder: str | None = "tiny", *, seed: int = 0) -> None:
        self.champion = make_champion(self.store.bundles.root, seed=seed, encoder=encoder)
        pointer = ChampionRegistry(self.store.bundles).champion()
        assert pointer is not None
        self.make("champion", "selected_model", content=self.champion, meta={"sequence": pointer.sequence})
        self.compare()

    def report_drift(self, auc: float, day: str = DAY, *, abstained: int | None = None) -> DriftVerdict:
        embedding = FeatureDrift(name="embedding", measure="auc", value=auc, chance=0.53, relevant=0.55)
        verdict = DriftVerdict(
            model_id=self.champion,
            candidate="tiny",
            rows=400,
            reference_rows=1000,
            first=None,
            last=None,
            by_other_models=0,
            repeated=0,
            min_rows=200,
            features=(embedding,),
            abstentions=None
            if abstained is None
            else Abstentions(
                rows=400,
                abstained=abstained,
                out_of_distribution=0,
                reference_rows=1000,
                reference_abstained=120,
                tolerated=0.18,
            ),
        )
        files = {verdict.file: verdict.model_dump_json()}
        self.make(f"drift_report/{day}", files=files, meta={"model_id": self.champion})
        return verdict

    def report_quality(self, right: int) -> PerformanceVerdict:
        """So many of 200 labelled answers were right; 190 when evaluated."""

        def metrics(right: int) -> Metrics:
            labels = np.arange(200) % 2
            return Metrics.of(labels, np.abs(labels - (np.arange(200) >= right)) * 0.8 + 0.1)

        verdict = PerformanceVerdict(
            model_id=self.champion,
            candidate="tiny",
            labels={"feedback": 200},
            by_other_models=0,
            min_labels=100,
            max_drop_points=2.0,
            metrics=metrics(right),
            intervals={"macro_f1": Interval(low=right / 200 - 0.03, high=right / 200 + 0.03)},
            evaluated=metrics(190),
        )
        files = {verdict.file: verdict.model_dump_json()}
        self.make(f"performance_report/{DAY}", files=files, meta={"model_id": self.champion})
        return verdict


@pytest.fixture
def graph(tmp_path: Path) -> Watched:
    """With a champion and a first batch that it was trained on; 300 new articles have come."""
    graph = Watched(tmp_path)
    graph.receive("b1", real=500, fake=500)
    graph.train()
    graph.select()
    graph.promote()
    graph.receive("b2", real=100, fake=200)
    return graph


@contextmanager
def at(moment: datetime) -> Iterator[None]:
    """The time of the sensors, and of the runs that are launched."""
    clock = SimpleNamespace(now=lambda _zone: moment)
    with freeze_time(moment), patch.object(retraining, "datetime", clock):
        yield


def test_there_has_to_be_a_champion(tmp_path: Path) -> None:
    assert Graph(tmp_path).tick(drift_sensor) == "There is no champion yet."


def test_there_has_to_be_a_report(graph: Watched) -> None:
    assert graph.tick(drift_sensor) == "No trigger. There is no report yet: run `fakenews report`."


def test_reports_without_a_trigger_are_quoted(graph: Watched) -> None:
    drift, quality = graph.report_drift(0.54), graph.report_quality(188)
    assert graph.tick(drift_sensor) == (
        f"No trigger. Drift on {DAY}: {drift.summary} Quality on {DAY}: {quality.summary}"
    )


def test_the_newest_report_counts(graph: Watched) -> None:
    graph.report_drift(0.8)
    graph.report_drift(0.5, "2026-11-21")
    assert graph.tick(drift_sensor) == "No trigger. Drift on 2026-11-21: No drift in 400 articles."


def test_drift_starts_a_training_like_the_last_one_from_the_champion(graph: Watched) -> None:
    graph.report_drift(0.8)
    request = graph.asked(drift_sensor)
    assert request.run_config == {
        "ops": {
            "article_clusters": {"config": CONFIGS["article_clusters"]},
            "baseline_model": {"config": CONFIGS["baseline_model"]},
            "finetuned_bert": {"config": {**CONFIGS["finetuned_bert"], "warm_start": graph.champion}},
        }
    }
    assert dg.validate_run_config(defs.resolve_job_def("retrain"), request.run_config)
    assert request.tags.items() >= {
        ("fakenews/trigger", "drift"),
        ("fakenews/reason", f"Drift on {DAY}: 400 articles have drifted, in…"),
        ("fakenews/new_batches", "1"),
    }


def test_a_drop_in_quality_starts_one_too(graph: Watched) -> None:
    graph.report_drift(0.5)
    graph.report_quality(150)
    assert graph.asked(drift_sensor).tags["fakenews/reason"].startswith(f"Quality on {DAY}: ")


def test_too_many_abstentions_start_one_too(graph: Watched) -> None:
    graph.report_drift(0.5, abstained=264)
    assert (
        graph.asked(drift_sensor)
        .tags["fakenews/reason"]
        .startswith(f"Abstentions on {DAY}: 66.0% of 400 articles got no…")
    )
    graph.report_drift(0.5, abstained=60)
    assert "15.0% of 400 articles got no answer" in str(graph.tick(drift_sensor))


def test_drift_of_an_earlier_champion_is_no_trigger(graph: Watched) -> None:
    graph.report_drift(0.8)
    graph.promote(seed=1)
    assert graph.tick(drift_sensor) == f"No trigger. {MOVED} That was an earlier champion."


def test_limits_give_their_reasons(graph: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    graph.report_drift(0.8)
    monkeypatch.setenv("FAKENEWS_RETRAIN_MIN_NEW_ROWS_ON_TRIGGER", "301")
    assert graph.tick(drift_sensor) == f"{MOVED} No retraining: 300 of 301 new labelled articles."
    monkeypatch.setenv("FAKENEWS_RETRAIN_MIN_NEW_ROWS_ON_TRIGGER", "300")
    graph.asked(drift_sensor)

    now = datetime.now(UTC)
    with at(now - timedelta(days=2)):
        graph.launch("retrain", status=DONE)
    monkeypatch.setenv("FAKENEWS_RETRAIN_MAX_PER_WEEK", "1")
    assert graph.tick(drift_sensor) == (f"{MOVED} No retraining: 1 of 1 retrainings in the last seven days.")
    monkeypatch.setenv("FAKENEWS_RETRAIN_MAX_PER_WEEK", "2")
    graph.asked(drift_sensor)
    monkeypatch.setenv("FAKENEWS_RETRAIN_COOLDOWN_HOURS", "49")
    assert "cooldown until" in str(graph.tick(drift_sensor))


def test_a_cooldown_may_be_longer_than_the_week(graph: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKENEWS_RETRAIN_COOLDOWN_HOURS", "720")
    graph.report_drift(0.8)
    now = datetime.now(UTC)
    with at(now - timedelta(days=29)):
        graph.launch("retrain", status=DONE)
    assert "cooldown until" in str(graph.tick(drift_sensor))
    with at(now + timedelta(days=1, minutes=1)):
        graph.asked(drift_sensor)


def test_other_jobs_are_no_retrainings(graph: Watched) -> None:
    graph.report_drift(0.8)
    for _ in range(5):
        graph.launch("select_champion", status=DONE)
    graph.asked(drift_sensor)


def test_it_waits_for_a_run_in_progress(graph: Watched) -> None:
    graph.report_drift(0.8)
    run = graph.launch("select_champion")
    assert graph.tick(drift_sensor) == (
        f"{MOVED} Waiting to retrain: Run {run.run_id[:8]} of select_champion is in progress."
    )
    graph.instance.report_run_failed(run)
    graph.asked(drift_sensor)


def test_it_waits_until_the_last_training_has_reached_the_gate(graph: Watched) -> None:
    graph.report_drift(0.8)
    graph.train("again")
    graph.receive("b3", real=300)
    assert graph.tick(drift_sensor) == (
        f"{MOVED} Waiting to retrain: evaluation/baseline, evaluation/finetuned of the last training are still"
        " to be made."
    )
    for _ in range(2):  # what has been tried in vain holds up nothing
        graph.launch("evaluate_candidate", graph.asked(refresh_downstream), dg.DagsterRunStatus.FAILURE)
    graph.asked(drift_sensor)


def test_the_same_articles_are_tried_once(graph: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKENEWS_RETRAIN_COOLDOWN_HOURS", "0")
    monkeypatch.setenv("FAKENEWS_RETRAIN_MIN_NEW_ROWS", "300")
    graph.report_drift(0.8)
    first = graph.asked(drift_sensor)
    assert graph.asked(drift_sensor).run_key == first.run_key, "nothing has happened"
    graph.launch("retrain", first, dg.DagsterRunStatus.FAILURE)
    tried = "Already retrained on the same articles; see that run. Launch the job `retrain` to repeat it."
    assert graph.tick(drift_sensor) == f"{MOVED} {tried}"
    assert graph.tick(new_rows_sensor) == f"New articles. {tried}"
    # Of these nothing is learnt.
    graph.receive("refused", real=900, passed=False)
    graph.receive("unlabelled", unlabelled=900)
    assert graph.tick(drift_sensor) == f"{MOVED} {tried}"
    graph.receive("b3", real=1)
    assert graph.asked(drift_sensor).run_key != first.run_key


def test_enough_new_articles_need_no_trigger(graph: Watched) -> None:
    assert graph.tick(new_rows_sensor) == ("New articles. No retraining: 300 of 1,000 new labelled articles.")
    graph.receive("again", real=900, articles_of="b2")
    assert graph.tick(new_rows_sensor) == ("New articles. No retraining: 900 of 1,000 new labelled articles.")
    graph.receive("b3", real=700)
    request = graph.asked(new_rows_sensor)
    assert request.tags["fakenews/trigger"] == "new rows"
    assert request.run_config["ops"]["finetuned_bert"]["config"]["warm_start"] == graph.champion
    graph.train("on all batches")
    assert "0 of 1,000 new labelled articles" in str(graph.tick(new_rows_sensor))


def test_a_lost_database_is_named_with_the_command_that_mends_it(graph: Watched) -> None:
    graph.instance = dg.DagsterInstance.ephemeral()
    graph.make("raw_news/b1")
    assert graph.tick(new_rows_sensor) == (
        "New articles. No retraining: 0 of 1,000 new labelled articles. 1 stored batch does not count, because this"
        " Dagster instance lists no partition for it: b1. Register it (`fakenews register`), or delete it"
        " (`fakenews retire-batch`)."
    )


def test_a_deleted_partition_retrains_nothing(graph: Watched) -> None:
    graph.report_drift(0.8)
    graph.asked(drift_sensor)
    graph.instance.delete_dynamic_partition("news_batches", "b2")
    assert "0 of 200 new labelled articles" in str(graph.tick(drift_sensor))


def test_the_first_training_starts_from_the_defaults(tmp_path: Path) -> None:
    graph = Graph(tmp_path)
    make_champion(graph.store.bundles.root)  # a baseline: no encoder was ever trained
    graph.receive("b1", real=500, fake=500)
    request = graph.asked(new_rows_sensor)
    assert request.run_config == {"ops": {"finetuned_bert": {"config": {"warm_start": ""}}}}
    graph.launch("retrain", request)


def start(graph: Watched) -> str:
    graph.report_drift(0.8)
    return graph.asked(drift_sensor).run_config["ops"]["finetuned_bert"]["config"]["warm_start"]


@pytest.mark.parametrize("encoder", [None, "large"])
def test_a_champion_of_another_encoder_is_no_start(graph: Watched, encoder: str | None) -> None:
    graph.promote(encoder, seed=1)
    assert start(graph) == ""


def test_warm_starts_can_be_switched_off(graph: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    assert start(graph) == graph.champion
    monkeypatch.setenv("FAKENEWS_RETRAIN_WARM_START", "false")
    assert start(graph) == ""


@pytest.mark.compute
@pytest.mark.parametrize("succeeds", [True, False])
def test_a_lasting_trigger_does_not_run_away(graph: Watched, succeeds: bool) -> None:
    """Every four hours 300 new articles, and the trigger stays."""
    graph.report_drift(0.8)
    started = []
    for tick in range(50):
        with at(datetime(2026, 11, 20, tzinfo=UTC) + timedelta(hours=4 * tick)):
            graph.receive(f"tick-{tick}", real=150, fake=150)
            for sensor in (drift_sensor, new_rows_sensor):
                found = graph.tick(sensor)
                if isinstance(found, dg.RunRequest):
                    started.append(4 * tick)
                    graph.launch("retrain", found, DONE if succeeds else dg.DagsterRunStatus.FAILURE)
                    if succeeds:
                        graph.train(str(tick))
                        graph.select()
    week = 7 * 24
    assert started == [0, 24, 48, week, week + 24]
