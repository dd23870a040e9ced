"""Daily figures of the service for the monitoring page."""

from dataclasses import dataclass
from datetime import date

import polars as pl

from fakenews_assets.monitoring.drift.verdict import DRIFT_PAGES, DriftVerdict
from fakenews_assets.monitoring.log.records import labels_in_force
from fakenews_assets.monitoring.performance import PerformanceVerdict
from fakenews_assets.monitoring.windows import CSV_PATH, JUDGED_ENDPOINTS
from fakenews_resources.storage.artifact import Artifact


@dataclass(frozen=True)
class Traffic:
    """Answered articles of a day."""

    real: int
    fake: int
    unsure: int
    feedback: int
    latency_p50_ms: float | None
    """Without the rows of files."""
    latency_p95_ms: float | None

    @property
    def answers(self) -> int:
        """Articles in all."""
        return self.real + self.fake + self.unsure


@dataclass(frozen=True)
class Day:
    """One day; a part that was not reported is None."""

    day: date
    traffic: Traffic | None = None
    drift: DriftVerdict | None = None
    performance: PerformanceVerdict | None = None
    pages: tuple[str, ...] = ()
    """Names of the drift report's pages, without `.html`."""


def read_day(day: date, log: Artifact | None, drift: Artifact | None, performance: Artifact | None) -> Day:
    """Collect the reports of one day.

    Args:
        day: the day.
        log: its `prediction_log`.
        drift: its `drift_report`.
        performance: its `performance_report`.
    """
    return Day(
        day,
        count_traffic(log.scan("predictions"), log.scan("feedback")) if log else None,
        DriftVerdict.read(drift.path) if drift else None,
        PerformanceVerdict.read(performance.path) if performance else None,
        tuple(page for page in DRIFT_PAGES if drift and (drift.path / f"{page}.html").is_file()),
    )


def count_traffic(answers: pl.LazyFrame, feedback: pl.LazyFrame) -> Traffic:
    """Count a day.

    Args:
        answers: columns of `PREDICTION_LOG_SCHEMA`.
        feedback: columns of `FEEDBACK_SCHEMA`.
    """
    unsure = pl.col("abstained")
    # The rows of a file wait for those before them.
    waited = pl.col("latency_ms").filter(pl.col("endpoint") != CSV_PATH)
    row = (
        answers.filter(pl.col("endpoint").is_in(JUDGED_ENDPOINTS))
        .select(
            real=(~unsure & (pl.col("predicted_label") == 0)).sum(),
            fake=(~unsure & (pl.col("predicted_label") == 1)).sum(),
            unsure=unsure.sum(),
            latency_p50_ms=waited.quantile(0.5),
            latency_p95_ms=waited.quantile(0.95),
        )
        .collect()
        .row(0, named=True)
    )
    return Traffic(feedback=labels_in_force(feedback).select(pl.len()).collect().item(), **row)
