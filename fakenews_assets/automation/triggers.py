"""Reasons to retrain that the monitoring has found."""

from dataclasses import dataclass

from fakenews_assets.monitoring.drift.verdict import DriftVerdict
from fakenews_resources.storage.artifact import Artifact
from fakenews_resources.storage.store import Store


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
            found += _findings(day, store.current(f"{kind}/{day}"), champion)
    return found


def _findings(day: str, report: Artifact, champion: str) -> list[Finding]:
    assert report.record is not None
    kind = report.record.key.partition("/")[0]
    if kind == "drift_report":
        drift = DriftVerdict.read(report.path)
        found = [Finding(bool(drift.drifted), f"Drift on {day}: {drift.summary}")]
        if drift.abstentions:
            found.append(
                Finding(drift.abstentions.risen, f"Abstentions on {day}: {drift.abstentions.summary}")
            )
    else:
        # Scores come with scikit-learn; nothing else here needs it.
        from fakenews_assets.monitoring.performance import PerformanceVerdict

        quality = PerformanceVerdict.read(report.path)
        found = [Finding(bool(quality.dropped), f"Quality on {day}: {quality.summary}")]
    if report.meta["model_id"] != champion:
        return [
            Finding(False, f"{one.text} That was an earlier champion.") if one.triggered else one
            for one in found
        ]
    return found
