"""Audits one answer of the service: its log line, and the model's answer recomputed."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

import polars as pl
from polars.exceptions import ComputeError, PolarsError

from fakenews_assets.evaluation.metrics.agreement import tolerance_of
from fakenews_assets.governance.audit.audit_log import AuditLog
from fakenews_assets.governance.audit.evaluation import undecided
from fakenews_assets.governance.audit.versions import audit_version
from fakenews_assets.models.calibration import inside_band
from fakenews_assets.models.classifier import Article
from fakenews_assets.models.predictions import PREDICTION_SCHEMA
from fakenews_assets.monitoring.log.prediction_log import days_of, log_at
from fakenews_assets.registry.bundle import Bundle, Manifest
from fakenews_assets.registry.scorer import Scorer
from fakenews_resources.request_ids import time_of
from fakenews_resources.storage.backend import Backend, StoreError
from fakenews_resources.storage.ledger import Ledger
from fakenews_resources.storage.store import Store

_MARGIN: Final = timedelta(minutes=10)
"""A day that is materialized before its end may miss the answers of its last minutes."""


class UnknownRequest(LookupError):
    """No log holds the request, or it has several rows; the message says what to do."""


@dataclass(frozen=True)
class Answer:
    """One answered article of a request."""

    name: str
    came: datetime
    """Time of the request, from its id."""
    line: Mapping[str, Any]
    """By column of `PREDICTION_LOG_SCHEMA`."""


def find_answer(audit_log: AuditLog, store: Store, log: Backend, request_id: str, row: int | None) -> Answer:
    """Find an answer in the service's log and in `prediction_log`, and compare the two.

    Args:
        audit_log: receives the checks.
        store: the graph's values.
        log: where the service's log is.
        request_id: from the answer.
        row: which article of the request; None: the only one.

    Raises:
        UnknownRequest: neither holds it, or it has several articles and no row is given.
    """
    try:
        came = time_of(request_id)
    except ValueError as error:
        raise UnknownRequest(
            f"{request_id!r} is not a request id. Take it from an answer's `request_id`; for a bundle give at least"
            " eight digits of its sha."
        ) from error
    row = row or _only_row(store, log, request_id)
    name = f"{request_id} row {row}"
    line = _logged(audit_log, log, request_id, row, name)
    for day in days_of(request_id):
        if store.exists(f"prediction_log/{day}"):
            line = _audit_day(audit_log, store, day, request_id, row, name, line)
    if not line and all(check.ok for check in audit_log.checks):
        raise UnknownRequest(
            f"No log holds row {row} of request {request_id}, which came on {came:%Y-%m-%d %H:%M} UTC. The "
            f"service's log was searched in {log.address}. If it is elsewhere, set FAKENEWS_LOG."
        )
    return Answer(name, came, line)


def _only_row(store: Store, log: Backend, request_id: str) -> int:
    """The row of a request of one article. Raises UnknownRequest where it has several."""
    rows = set[int]()
    with suppress(ComputeError):  # a damaged line: the audit of the row that is asked for names it
        rows |= set(log_at(log, days_of(request_id)).find(request_id)["row"])
    for key in (f"prediction_log/{day}" for day in days_of(request_id)):
        with suppress(StoreError, OSError, PolarsError):
            stored = store.current(key).scan("predictions").filter(pl.col("request_id") == request_id)
            rows |= set(stored.select("row").collect()["row"])
    if len(rows) > 1:
        raise UnknownRequest(
            f"Request {request_id} has {len(rows):,} rows, {min(rows)} to {max(rows)}. Say which with --row, counted as"
            " in the answer."
        )
    return rows.pop() if rows else 1


def audit_answer(
    audit_log: AuditLog, answer: Answer, manifest: Manifest, bundle: Bundle | None, ledger: Ledger
) -> None:
    """Predict the logged article with the bundle again, and compare.

    Args:
        audit_log: receives the checks.
        answer: what was logged.
        manifest: of the bundle that is said to have answered.
        bundle: the same, if it is intact.
        ledger: the tombstones: the article may have been erased since.
    """
    line = answer.line
    with audit_log.reading("answer", answer.name):
        fault = undecided(manifest.calibration, pl.DataFrame([line]).select(*PREDICTION_SCHEMA))
        audit_log.agree("answer", answer.name, f"probability {line['probability']:.6f}", fault)
        if bundle is None:
            audit_log.not_checked.append("The probability: the bundle that answered is missing or damaged.")
            return
        if line["title"] is None:
            why = "the log holds no titles (FAKENEWS_LOG_CONTENT=hash)"
            for erasure in (one for one in ledger.done if line["article_id"] in one.article_ids):
                told = f"erased on {erasure.at:%Y-%m-%d %H:%M} UTC by {erasure.by}: {erasure.reason}"
                audit_log.taken_out.append(f"The article of {answer.name}: {told}.")
                why = f"the article was {told}"
            audit_log.not_checked.append(f"The probability and the article's id: {why}.")
            return
        asked = [Article(line["title"], line["text"] or "")]
        scorer = Scorer.open(bundle.path)
        scores = scorer.score(asked)
        audit_log.compare(
            "article id",
            answer.name,
            line["article_id"],
            scores.article_ids[0],
            "not the id of the logged article",
        )
        allowed = tolerance_of(manifest.candidate)
        _audit_ood(
            audit_log,
            answer.name,
            line["out_of_distribution"],
            float(scorer.ood_score(asked)[0]),
            allowed,
        )
        probability = float(scores.predictions.probability[0])
        fault, band = "", (manifest.calibration.abstain_low, manifest.calibration.abstain_high)
        if not abs(probability - line["probability"]) <= allowed:
            fault = (
                f"the model gives another probability to this article; {allowed:g} of difference are allowed"
            )
        elif (
            not line["out_of_distribution"]
            and line["abstained"] != inside_band(manifest.calibration, [probability])[0]
            and all(abs(probability - end) > allowed for end in band)
        ):
            fault = f"the log has abstained={line['abstained']}, and the model gives the opposite"
        audit_log.add("probability", answer.name, f"{line['probability']:.6f}", f"{probability:.6f}", fault)


def _audit_ood(
    audit_log: AuditLog, name: str, out_of_distribution: bool, ood_score: float, allowed: float
) -> None:
    """Compare whether the article was called out of distribution."""
    differs = out_of_distribution != (ood_score > 1) and abs(ood_score - 1) > allowed
    fault = "the model gives the opposite" if differs else ""
    found = f"out of distribution: {ood_score > 1}, {ood_score:.3f} of what is allowed"
    audit_log.add("ood_limits", name, f"out of distribution: {out_of_distribution}", found, fault)


def _logged(audit_log: AuditLog, log: Backend, request_id: str, row: int, name: str) -> Mapping[str, Any]:
    """The line of the service's log; empty if there is none."""
    with audit_log.reading("service log", name, recorded="one line"):
        found = log_at(log, days_of(request_id)).find(request_id, row)
        if found.is_empty():
            return {}
        fault = f"{found.height} different lines answer for it" if found.height > 1 else ""
        audit_log.agree("service log", name, "one line", fault)
        return found.row(0, named=True)
    return {}


def _audit_day(
    audit_log: AuditLog,
    store: Store,
    day: date,
    request_id: str,
    row: int,
    name: str,
    line: Mapping[str, Any],
) -> Mapping[str, Any]:
    """Compare the line with that of a materialized day, and return the latter if the service's log has none."""
    key = f"prediction_log/{day}"
    with audit_log.reading("prediction log", f"{key} {name}", recorded="the service's log"):
        table = audit_version(audit_log, store, key, store.current(key).version)
        if table is None or table.record is None:
            return line
        wanted = (pl.col("request_id") == request_id) & (pl.col("row") == row)
        found = table.scan("predictions").filter(wanted).collect()
        if not found.is_empty():
            stored = found.row(0, named=True)
            if not line:
                audit_log.add("service log", name, "one line", "missing", f"missing: {key} holds it")
                return stored
            audit_log.agree("prediction log", f"{key} {name}", "the service's log", _apart(line, stored))
        elif line and line["time"].date() == day and time_of(request_id) + _MARGIN < table.record.created_at:
            fault = "missing: the day was materialized after the answer"
            audit_log.add("prediction log", f"{key} {name}", "the service's log", "missing", fault)
    return line


def _apart(line: Mapping[str, Any], stored: Mapping[str, Any]) -> str:
    """Columns in which two lines of one answer differ."""
    return "; ".join(
        f"{name} is {line[name]!r} in the service's log, {stored.get(name)!r} here"
        for name in line
        if line[name] != stored.get(name)
    )
