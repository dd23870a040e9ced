"""Which answers a report looks at."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from fakenews_assets.monitoring.log.records import PREDICTION_LOG_SCHEMA
from fakenews_assets.monitoring.settings import WindowSettings
from fakenews_assets.monitoring.windows import last_model, select_window, window_days

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def log(*rows: dict[str, Any]) -> pl.LazyFrame:
    """Answers a minute apart; what a row does not say is as for any other."""
    usual = {
        "endpoint": "/predict",
        "model_id": "m1",
        "title": "t",
        "text": "",
        "probability": 0.5,
        "row": 0,
    }
    records = [
        {"time": NOON + timedelta(minutes=at), "request_id": str(at), "article_id": f"a{at}"} | usual | row
        for at, row in enumerate(rows)
    ]
    return pl.DataFrame(records, schema_overrides=dict(PREDICTION_LOG_SCHEMA)).lazy()


def test_all_of_the_day_by_default() -> None:
    found = select_window(log({}, {}, {}), WindowSettings())
    assert found.answers["article_id"].to_list() == ["a0", "a1", "a2"]
    assert (found.model_id, found.by_other_models, found.repeated) == ("m1", 0, 0)


def test_only_the_last_model_counts_and_the_others_are_counted() -> None:
    found = select_window(log({}, {"model_id": "m2"}, {}, {"model_id": "m2"}), WindowSettings())
    assert found.answers["article_id"].to_list() == ["a1", "a3"]
    assert (found.model_id, found.by_other_models) == ("m2", 2)


def test_an_article_counts_once() -> None:
    found = select_window(log({"article_id": "x"}, {}, {"article_id": "x"}), WindowSettings())
    assert found.answers["request_id"].to_list() == ["1", "2"]
    assert found.repeated == 1


def test_explanations_are_no_traffic() -> None:
    found = select_window(log({}, {"endpoint": "/explain", "model_id": "m2"}), WindowSettings())
    assert (found.model_id, found.answers.height) == ("m1", 1)


def test_the_last_rows_are_of_different_articles() -> None:
    answers = log(*({"article_id": f"a{at // 2}"} for at in range(80)))
    found = select_window(answers, WindowSettings(last_rows=20, min_rows=20))
    assert found.answers["article_id"].to_list() == [f"a{at}" for at in range(20, 40)]


def test_since_a_time() -> None:
    found = select_window(log({}, {}, {}), WindowSettings(since="2026-11-24T12:01"))
    assert found.answers["article_id"].to_list() == ["a1", "a2"]
    other_zone = select_window(log({}, {}, {}), WindowSettings(since="2026-11-24T13:02+01:00"))
    assert other_zone.answers["article_id"].to_list() == ["a2"]


def test_no_answers_have_no_model() -> None:
    empty = log({}).filter(pl.lit(False))
    assert select_window(empty, WindowSettings()).model_id is None
    assert last_model(empty) is None
    assert last_model(log({}, {"model_id": "m2"}, {"endpoint": "/explain", "model_id": "m3"})) == "m2"


def test_days_that_a_window_can_hold() -> None:
    day = date(2026, 11, 24)
    known = [day - timedelta(days=back) for back in (0, 1, 3, 30, 31)] + [day + timedelta(days=1)]
    assert window_days(day, WindowSettings(), known) == [day]
    assert window_days(day, WindowSettings(since="2026-11-23"), known) == [day - timedelta(days=1), day]
    assert len(window_days(day, WindowSettings(last_rows=500), known)) == 4


@pytest.mark.parametrize("since", ["2026-11-25", "2026-10-24"])
def test_since_has_to_be_near_the_day(since: str) -> None:
    with pytest.raises(ValueError, match="must lie on 2026-11-24 or in the 30 days before"):
        window_days(date(2026, 11, 24), WindowSettings(since=since), [])


@pytest.mark.parametrize(
    "settings", [{"last_rows": 500, "since": "2026-11-24"}, {"last_rows": 100}, {"since": "yesterday"}]
)
def test_contradictions_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        WindowSettings(**settings)
