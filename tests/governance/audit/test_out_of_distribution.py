"""The audit of an answer that was withheld because the article is unlike all that the model knows."""

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from fakenews_assets.governance.audit.audit_log import Audit
from fakenews_assets.governance.audit.chain import audit_request
from tests.governance.audit.conftest import Project
from tests.support.out_of_distribution import foreign_titles
from tests.support.watched import Watched, sample_articles

Edit = Callable[[dict[str, Any]], dict[str, Any]]


def asked(project: Project, *, strange: bool) -> str:
    """Ask one thing, in a log without a materialized day, and in a store that was never sealed."""
    for folder in ("prediction_log", "seals", "heads"):
        shutil.rmtree(project.store.root / folder)
    one = sample_articles(1, seed=9)
    if strange:
        one = one.with_columns(title=pl.lit(foreign_titles()[0]), text=pl.lit(""))
    (request_id,) = Watched(project.root).answer(one, datetime.now(UTC).date())
    return request_id


def audited(project: Project, request_id: str, edit: Edit = lambda line: line) -> Audit:
    for file in project.service_log.glob("*/predictions-*.jsonl"):
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        changed = [edit(line) if line["request_id"] == request_id else line for line in lines]
        file.write_text("".join(json.dumps(line) + "\n" for line in changed))
    return audit_request(project.store, project.service_log, request_id)


def named(audit: Audit) -> set[str]:
    return {check.what for check in audit.faults}


def test_an_out_of_distribution_answer_passes_and_a_tampered_one_is_named(project: Project) -> None:
    request_id = asked(project, strange=True)
    audit = audited(project, request_id)
    assert audit.faults == ()
    assert audit.answer["out_of_distribution"]
    assert audit.answer["abstained"]
    (check,) = (check for check in audit.checks if check.what == "ood_limits")
    assert check.found.startswith("out of distribution: True")

    # As if it had been answered.
    faults = named(audited(project, request_id, lambda line: line | {"abstained": False}))
    assert "answer" in faults
    answered = {"abstained": False, "out_of_distribution": False}
    assert "ood_limits" in named(audited(project, request_id, lambda line: line | answered))


def test_an_answer_that_was_not_withheld_for_that_is_named(project: Project) -> None:
    request_id = asked(project, strange=False)
    assert audited(project, request_id).faults == ()
    withheld = {"abstained": True, "out_of_distribution": True}
    assert "ood_limits" in named(audited(project, request_id, lambda line: line | withheld))


@pytest.mark.parametrize("strange", [True, False])
def test_a_line_that_does_not_say_why_it_has_no_answer_is_named(project: Project, strange: bool) -> None:
    request_id = asked(project, strange=strange)
    assert audited(project, request_id).faults == ()
    assert "answer" in named(audited(project, request_id, lambda line: line | {"out_of_distribution": None}))
