"""Batches whose checks say something else than their counts do."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from fakenews_assets.data.admission.admission import Admission
from fakenews_assets.data.corpus import CleanBatch
from fakenews_assets.governance.audit.admission import audit_admission
from fakenews_assets.governance.audit.audit_log import AuditLog
from tests.support.watched import Watched

KEY = "clean_news/b1"


def audited(watched: Watched, others: list[CleanBatch], **config: Any) -> tuple[str, list[str]]:
    """What is wrong, and what was not checked."""
    audit_log, batch = AuditLog(), CleanBatch("b1", watched.store.current(KEY))
    audit_admission(audit_log, KEY, batch, others, config)
    (check,) = audit_log.checks
    assert (check.what, check.name) == ("checks", KEY)
    return check.fault, audit_log.not_checked


def edit_check(watched: Watched, name: str, **changes: Any) -> None:
    file = watched.store.current(KEY).path / "checks.json"
    checks = [one | changes if one["name"] == name else one for one in json.loads(file.read_text())]
    file.write_text(json.dumps(checks))


def test_what_a_batch_was_checked_for_follows_from_its_counts(watched: Watched) -> None:
    assert audited(watched, []) == ("", [])


@pytest.mark.parametrize(
    ("check", "limits"),
    [("duplicates", {"max_repeated_share": 0}), ("label_balance", {"first_batch_max_skew": 0})],
)
def test_a_batch_that_its_limits_refuse_cannot_count_as_admitted(
    watched: Watched, check: str, limits: dict[str, float]
) -> None:
    """It is stored as if it had passed; the limits are those of the manifest."""
    if check == "label_balance":  # what one half cannot explain any more
        edit_summary(watched, fake=900, real=1100)
        edit_check(watched, check, numbers={"fake_share": 0.45, "corpus_fake_share": None, "labelled": 2000})
        assert audited(watched, [])[0] == ""
    fault, _ = audited(watched, [], **limits)
    assert fault.startswith(f"{check}: passed by ")
    assert ", computed failed by " in fault


def edit_summary(watched: Watched, **changes: Any) -> None:
    file = watched.store.current(KEY).path / "summary.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_a_verdict_that_was_turned_is_found(watched: Watched) -> None:
    edit_check(watched, "schema", passed=False)
    assert audited(watched, [])[0].startswith("schema: failed by ")


def test_a_corpus_that_nobody_can_tell_any_more_is_said_so(watched: Watched) -> None:
    found = watched.store.current(KEY)
    before = replace(found, meta={**found.meta, "received_at": "2000-01-01T00:00:00+00:00"})
    fault, not_checked = audited(watched, [CleanBatch("b0", before)])
    assert fault == ""
    assert [note.split(":")[0] for note in not_checked] == [f"The label balance of {KEY}"]


def test_an_admission_is_told_and_explains_a_check_that_passed(watched: Watched) -> None:
    edit_summary(watched, fake=2000, real=0)
    edit_check(
        watched,
        "label_balance",
        numbers={"fake_share": 1.0, "corpus_fake_share": None, "labelled": 2000},
    )
    assert audited(watched, [])[0].startswith("label_balance: passed by ")
    admission = Admission(because="one label", by="Ada", at=datetime(2026, 1, 2, tzinfo=UTC))
    audit_log, batch = AuditLog(), CleanBatch("b1", watched.store.current(KEY))
    audit_admission(audit_log, KEY, batch, [], {}, admission)
    assert audit_log.checks[0].fault == ""
    assert audit_log.admitted == [
        "clean_news/b1, against label_balance: Admitted on 2026-01-02 00:00 UTC by Ada: one label."
    ]
