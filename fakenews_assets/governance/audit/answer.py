"""One answer of the service: the line of its log, and whether the model gives the same answer again."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

import polars as pl

from fakenews_assets.evaluation.metrics.agreement import tolerance_of
from fakenews_assets.governance.audit.evaluation import undecided
from fakenews_assets.governance.audit.trail import Trail
from fakenews_assets.governance.audit.versions import audit_version
from fakenews_assets.models.calibration import inside_band
from fakenews_assets.models.classifier import Article
from fakenews_assets.monitoring.log.prediction_log import days_of, log_at
from fakenews_assets.registry.bundle import Bundle, Manifest
from fakenews_assets.registry.scorer import Scorer
from fakenews_resources.request_ids import time_of
from fakenews_resources.storage.backend import Place
from fakenews_resources.storage.store import Store

_MARGIN: Final = timedelta(minutes=10)
"""A day that is materialized while it lasts may miss the answers of its last minutes."""


class UnknownRequest(LookupError):
    """No log holds the request; the message says what to do."""


@dataclass(frozen=True)
class Answer:
    """One answered article of a request."""

    name: str
    came: datetime
    """When the request came, as its id says."""
    line: Mapping[str, Any]
    """By column of `LOG_SCHEMA`."""


def find_answer(trail: Trail, store: Store, log: Place, request_id: str, row: int) -> Answer:
    """Look an answer up in the service's log and in `prediction_log`, and compare the two.

    Raises:
        UnknownRequest: neither holds it.
    """
    try:
        came = time_of(request_id)
    except ValueError as error:
        raise UnknownRequest(
            f"{request_id!r} is no request id. Take it from an answer's `request_id`; for a bundle give at least"
            " eight digits of its sha."
        ) from error
    name = f"{request_id} row {row}"
    line = _logged(trail, log, request_id, row, name)
    for day in days_of(request_id):
        if store.exists(f"prediction_log/{day}"):
            line = _audit_day(trail, store, day, request_id, row, name, line)
    if not line and all(link.ok for link in trail.links):
        raise UnknownRequest(
            f"No log holds row {row} of request {request_id}, which came on {came:%Y-%m-%d %H:%M} UTC. The service's"
            f" log is sought in {log.address}; if it lies elsewhere, set FAKENEWS_LOG."
        )
    return Answer(name, came, line)


def audit_answer(trail: Trail, answer: Answer, manifest: Manifest, bundle: Bundle | None) -> None:
    """Let the bundle answer again.

    Args:
        trail: receives the links.
        answer: what was logged.
        manifest: of the bundle that is said to have answered.
        bundle: the same, if it is intact.
    """
    line = answer.line
    with trail.reading("answer", answer.name):
        table = pl.DataFrame([line]).select(
            "article_id",
            "probability",
            "abstained",
            pl.lit(line.get("unfamiliar"), dtype=pl.Boolean).alias("unfamiliar"),
            predicted="label",
        )
        fault = undecided(manifest.calibration, table)
        trail.agree("answer", answer.name, f"probability {line['probability']:.6f}", fault)
        if bundle is None:
            trail.not_checked.append("The probability: the bundle that gave it is missing or damaged.")
            return
        if line["title"] is None:
            trail.not_checked.append(
                "The probability and the article's id: the log holds no titles (FAKENEWS_LOG_CONTENT=hash)."
            )
            return
        asked = [Article(line["title"], line["text"] or "")]
        scorer = Scorer.open(bundle.path)
        scores = scorer.score(asked)
        trail.compare(
            "article id",
            answer.name,
            line["article_id"],
            scores.article_ids[0],
            "not the id of the logged article",
        )
        allowed = tolerance_of(manifest.candidate)
        _audit_familiarity(
            trail, answer.name, line.get("unfamiliar"), float(scorer.strangeness(asked)[0]), allowed
        )
        probability = float(scores.predictions.probability[0])
        fault, band = "", (manifest.calibration.abstain_low, manifest.calibration.abstain_high)
        if not abs(probability - line["probability"]) <= allowed:
            fault = (
                f"the model gives another probability to this article; {allowed:g} of difference are allowed"
            )
        elif (
            not line.get("unfamiliar")
            and line["abstained"] != inside_band(manifest.calibration, [probability])[0]
            and all(abs(probability - end) > allowed for end in band)
        ):
            fault = f"the log has abstained={line['abstained']}, and the model does otherwise"
        trail.add("probability", answer.name, f"{line['probability']:.6f}", f"{probability:.6f}", fault)


def _audit_familiarity(
    trail: Trail, name: str, unfamiliar: bool | None, strangeness: float, allowed: float
) -> None:
    """Compare whether the article was called unfamiliar; None: the answer was given before anybody looked."""
    if unfamiliar is None:
        trail.not_checked.append("Whether the article was familiar: the log did not say so then.")
        return
    differs = unfamiliar != (strangeness > 1) and abs(strangeness - 1) > allowed
    fault = "the model finds otherwise" if differs else ""
    found = f"unfamiliar: {strangeness > 1}, {strangeness:.3f} of what is allowed"
    trail.add("familiarity", name, f"unfamiliar: {unfamiliar}", found, fault)


def _logged(trail: Trail, log: Place, request_id: str, row: int, name: str) -> Mapping[str, Any]:
    """The line of the service's log; empty where there is none."""
    with trail.reading("service log", name, recorded="one line"):
        found = log_at(log, days_of(request_id)).find(request_id, row)
        if found.is_empty():
            return {}
        fault = f"{found.height} different lines answer for it" if found.height > 1 else ""
        trail.agree("service log", name, "one line", fault)
        return found.row(0, named=True)
    return {}


def _audit_day(
    trail: Trail, store: Store, day: date, request_id: str, row: int, name: str, line: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Compare the line with the same in a materialized day; the day's own where the service's log has none."""
    key = f"prediction_log/{day}"
    with trail.reading("prediction log", f"{key} {name}", recorded="the service's log"):
        table = audit_version(trail, store, key, store.current(key).version)
        if table is None or table.record is None:
            return line
        wanted = (pl.col("request_id") == request_id) & (pl.col("row") == row)
        found = table.scan("predictions").filter(wanted).collect()
        if not found.is_empty():
            stored = found.row(0, named=True)
            if not line:
                trail.add("service log", name, "one line", "missing", f"missing: {key} holds it")
                return stored
            trail.agree("prediction log", f"{key} {name}", "the service's log", _apart(line, stored))
        elif line and line["time"].date() == day and time_of(request_id) + _MARGIN < table.record.created_at:
            fault = "missing: the day was materialized after the answer"
            trail.add("prediction log", f"{key} {name}", "the service's log", "missing", fault)
    return line


def _apart(line: Mapping[str, Any], stored: Mapping[str, Any]) -> str:
    """Columns in which two lines of one answer differ."""
    return "; ".join(
        f"{name} is {line[name]!r} in the service's log, {stored.get(name)!r} here"
        for name in line
        if line[name] != stored.get(name)
    )
