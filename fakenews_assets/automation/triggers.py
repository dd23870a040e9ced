"""Reasons to retrain that the monitoring has found."""

from dataclasses import dataclass

from fakenews_assets.monitoring.drift.verdict import DriftVerdict
from fakenews_resources.storage.store import Artifact, Store


@dataclass(frozen=True)
class Finding:
    """What the last report of a kind says about the champion."""

    triggered: bool
    text: str


def last_findings(store: Store, champion: str) -> list[Finding]:
    """The newest drift report and the newest performance report.

    Args:
        store: where they lie.
        champion: sha of its bundle. A report on another model is no reason to replace this one.
    """
    found = []
    for kind in ("drift_report", "performance_report"):
        day = max(store.partitions(kind), default=None)
        if day is not None:
            found.append(_finding(day, store.current(f"{kind}/{day}"), champion))
    return found


def _finding(day: str, report: Artifact, champion: str) -> Finding:
    assert report.record is not None
    kind = report.record.key.partition("/")[0]
    if kind == "drift_report":
        verdict = DriftVerdict.read(report.path)
        triggered, text = bool(verdict.drifted), f"Drift on {day}: {verdict.summary}"
    else:
        # Scores come with scikit-learn; nothing else here needs it.
        from fakenews_assets.monitoring.performance import PerformanceVerdict

        quality = PerformanceVerdict.read(report.path)
        triggered, text = bool(quality.dropped), f"Quality on {day}: {quality.summary}"
    if triggered and report.meta["model_id"] != champion:
        return Finding(False, f"{text} That was an earlier champion.")
    return Finding(triggered, text)
