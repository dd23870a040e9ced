"""Selects the answered articles of a report."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from typing import Final

import polars as pl

from fakenews_assets.monitoring.settings import LOOK_BACK_DAYS, WindowSettings

KSERVE_PATH: Final = "/v2/models/fakenews/infer"
CSV_PATH: Final = "/predict_csv"
JUDGED_ENDPOINTS: Final = ("/predict", "/predict_batch", CSV_PATH, KSERVE_PATH)
"""Endpoints whose articles count. `/explain` is left out, because the page also sends its article to `/predict`."""


@dataclass(frozen=True)
class Window:
    """Different articles that one model answered, in order of time."""

    answers: pl.DataFrame
    """Columns of `PREDICTION_LOG_SCHEMA`."""
    model_id: str | None
    """Sha of the bundle that gave all these answers; None: there were no answers."""
    by_other_models: int
    """Answers of earlier models in the window; left out, because each model has its own reference."""
    repeated: int
    """Earlier answers about repeated articles; only the last one counts."""


def window_days(day: date, settings: WindowSettings, known: Sequence[date]) -> list[date]:
    """The days whose answers a window can hold, among those known, the oldest first.

    Raises:
        ValueError: `since` lies after the day, or more than LOOK_BACK_DAYS before it.
    """
    start = settings.start
    if start is None:
        first = day if settings.last_rows is None else day - timedelta(days=LOOK_BACK_DAYS)
    else:
        first = start.astimezone(UTC).date()
        if not 0 <= (day - first).days <= LOOK_BACK_DAYS:
            raise ValueError(
                f"since={settings.since} must lie on {day} or in the {LOOK_BACK_DAYS} days before it."
            )
    return sorted(one for one in known if first <= one <= day)


def select_window(answers: pl.LazyFrame, settings: WindowSettings) -> Window:
    """The articles of a window out of the answers of its days.

    Args:
        answers: columns of `PREDICTION_LOG_SCHEMA`, in order of time.
        settings: selects the window.
    """
    asked = answers.filter(pl.col("endpoint").is_in(JUDGED_ENDPOINTS))
    if settings.start is not None:
        asked = asked.filter(pl.col("time") >= settings.start)
    found = asked.collect()
    if found.is_empty():
        return Window(found, None, 0, 0)
    model_id = found["model_id"][-1]
    own = found.filter(pl.col("model_id") == model_id)
    distinct = own.unique("article_id", keep="last", maintain_order=True)
    kept = distinct if settings.last_rows is None else distinct.tail(settings.last_rows)
    return Window(kept, model_id, found.height - own.height, own.height - distinct.height)


def last_model(answers: pl.LazyFrame) -> str | None:
    """Bundle that gave the last of some answers; None where there are none."""
    asked = answers.filter(pl.col("endpoint").is_in(JUDGED_ENDPOINTS))
    return asked.select(pl.col("model_id").last()).collect().item()
