"""When a retraining may start, and what counts as new."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from fakenews_assets.automation.limits import NewRows, RetrainSettings, distinct_rows, new_rows, unmet_limits
from fakenews_assets.data.partitions import corpus_batches
from fakenews_resources.storage.backend import FolderBackend
from tests.support.graphs import Graph

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SETTINGS = RetrainSettings(cooldown_hours=24, max_per_week=2)


def against(*hours_ago: float, rows: int = 200, settings: RetrainSettings = SETTINGS) -> list[str]:
    return unmet_limits(NOW, [NOW - timedelta(hours=hours) for hours in hours_ago], rows, 200, settings)


def test_the_first_retraining_has_no_limit() -> None:
    assert against() == []


def test_too_few_new_rows() -> None:
    assert against(rows=199) == ["199 of 200 new labelled articles"]


def test_the_cooldown_begins_with_the_last_start() -> None:
    (found,) = against(23.9)
    assert found == ("cooldown until 2026-11-24 12:06 UTC, since the last one started at 2026-11-23 12:06")
    assert against(24) == []
    assert found in against(100, 23.9), "in any order"
    assert against(0, settings=RetrainSettings(cooldown_hours=0)) == []


def test_so_many_in_seven_days() -> None:
    assert against(24, 100) == ["2 of 2 retrainings in the last seven days"]
    assert against(24, 7 * 24 - 0.1) != []
    assert against(24, 7 * 24) == []
    assert against(8 * 24, 9 * 24, 10 * 24) == []
    assert against(settings=RetrainSettings(max_per_week=0)) == ["0 of 0 retrainings in the last seven days"]


def test_every_unmet_limit_gives_its_reason() -> None:
    assert len(against(1, 2, rows=0)) == 3


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "COOLDOWN_HOURS": "1.5",
        "MAX_PER_WEEK": "7",
        "MIN_NEW_ROWS": "50",
        "MIN_NEW_ROWS_ON_TRIGGER": "10",
        "WARM_START": "false",
    }.items():
        monkeypatch.setenv(f"FAKENEWS_RETRAIN_{name}", value)
    assert RetrainSettings().model_dump() == {
        "cooldown_hours": 1.5,
        "max_per_week": 7,
        "min_new_rows": 50,
        "min_new_rows_on_trigger": 10,
        "warm_start": False,
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("COOLDOWN_HOURS", "-1"),
        ("COOLDOWN_HOURS", "inf"),
        ("COOLDOWN_HOURS", "nan"),
        ("COOLDOWN_HOURS", "a day"),
        ("MAX_PER_WEEK", "-1"),
        ("MAX_PER_WEEK", "2.5"),
        ("MIN_NEW_ROWS", "0"),
        ("MIN_NEW_ROWS_ON_TRIGGER", "0"),
        ("WARM_START", "maybe"),
    ],
)
def test_nonsense_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"FAKENEWS_RETRAIN_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        RetrainSettings()


@pytest.fixture
def graph(tmp_path: Path) -> Graph:
    return Graph(tmp_path)


def new(graph: Graph) -> NewRows:
    return new_rows(graph.store, corpus_batches(graph.store, graph.instance))


def test_without_a_model_every_labelled_article_is_new(graph: Graph) -> None:
    assert new(graph).rows == 0
    one, two = graph.receive("b2", real=30, fake=20, unlabelled=7), graph.receive("b1", fake=5)
    found = new(graph)
    assert (found.rows, found.batches) == (55, (two, one))


def test_what_the_model_was_trained_on_is_not_new(graph: Graph) -> None:
    graph.receive("b1", real=30, fake=20)
    graph.train()
    assert new(graph).rows == 0
    graph.receive("b2", real=4)
    assert new(graph).rows == 4
    # Splits alone train nothing.
    graph.make("splits", "clean_news/b1", "clean_news/b2", content="more")
    assert new(graph).rows == 4


def test_a_batch_that_was_cleaned_again_is_new(graph: Graph) -> None:
    graph.receive("b1", real=30, fake=20)
    graph.train()
    again = graph.receive("b1", real=30, fake=19)
    found = new(graph)
    assert (found.rows, found.batches) == (49, (again,))


def test_refused_and_unlabelled_batches_do_not_count(graph: Graph) -> None:
    graph.receive("refused", real=30, fake=20, passed=False)
    graph.receive("unlabelled", unlabelled=50)
    good = graph.receive("good", real=1)
    found = new(graph)
    assert (found.rows, found.batches) == (1, (good,))


def test_a_batch_without_a_partition_does_not_count(graph: Graph) -> None:
    graph.receive("b1", real=30, fake=20)
    graph.train()
    graph.receive("b2", real=400)
    graph.instance.delete_dynamic_partition("news_batches", "b2")
    assert new(graph).rows == 0


def test_articles_that_others_repeat_train_nothing(graph: Graph) -> None:
    graph.receive("b1", real=30, fake=20)
    graph.train()
    graph.receive("b2", real=35, fake=25, articles_of="b1")
    graph.receive("b3", real=10, fake=10)
    graph.receive("b4", real=10, fake=15, articles_of="b3")
    assert new(graph).rows == 60 + 20 + 25
    assert distinct_rows(graph.store, corpus_batches(graph.store, graph.instance)) == 10 + 25


def test_new_rows_are_counted_without_fetching_articles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = Graph(tmp_path)
    received = [graph.receive(f"b{number}", real=number, fake=1) for number in range(3)]

    def fetch(_: FolderBackend, folder: str) -> Path:
        raise AssertionError(folder)

    monkeypatch.setattr(FolderBackend, "fetch", fetch)
    batches = corpus_batches(graph.store, graph.instance)
    assert new_rows(graph.store, batches) == NewRows(6, tuple(received))
