"""Recomputes the checks of a batch from its counts."""

from collections.abc import Mapping
from typing import Any, Final

from fakenews_assets.data.admission.admission import Admission
from fakenews_assets.data.batch_checks import BatchLimits, check_batch, fake_share
from fakenews_assets.data.cleaning.summary import CleaningSummary
from fakenews_assets.data.corpus import CleanBatch
from fakenews_assets.governance.audit.audit_log import AuditLog, shown

_BALANCE: Final = "label_balance"
"""The check that depends on other batches too."""


def audit_admission(
    audit_log: AuditLog,
    key: str,
    batch: CleanBatch,
    others: list[CleanBatch],
    config: Mapping[str, Any],
    admission: Admission | None = None,
) -> None:
    """Recompute the checks of a stored batch.

    Args:
        audit_log: receives the checks.
        key: of the batch in the store.
        batch: as it is stored.
        others: the other batches behind the bundle.
        config: settings of the batch's cleaning.
        admission: of the batch by a person, if there is one.
    """
    with audit_log.reading("checks", key):
        summary, outcomes = batch.summary, batch.outcomes
        stored = {one.name: (one.passed, one.numbers) for one in outcomes}
        limits = {name: value for name, value in config.items() if name in BatchLimits.model_fields}
        _, told = stored.get(_BALANCE, (None, {}))
        share = told.get("corpus_fake_share")
        found = check_batch(summary, batch.articles, share, BatchLimits.model_validate(limits), batch.name)
        if admission:
            found = admission.overrule(found)
            overruled = [one.name for one in found if one.passed and admission.sentence in one.description]
            audit_log.admitted.append(
                f"{key}, against {', '.join(overruled) or 'no check'}: {admission.sentence}."
            )
        computed = {one.name: (one.passed, one.model_dump(mode="json")["numbers"]) for one in found}
        wrong = [
            f"{name}: {_told(stored.get(name))}, computed {_told(computed.get(name))}"
            for name in sorted(stored.keys() | computed.keys())
            if stored.get(name) != computed.get(name)
        ]
        audit_log.agree("checks", key, f"{len(outcomes)} checks", shown(wrong))
        arrived = batch.artifact.meta["received_at"]
        before = [one for one in others if one.artifact.meta["received_at"] < arrived and one.admitted]
        if summary.labelled and share != fake_share(one.summary for one in before):
            audit_log.not_checked.append(
                f"The label balance of {key}: the corpus has changed since it was cleaned."
            )


def other_counts(stored: CleaningSummary, computed: CleaningSummary) -> str:
    """Differences between a stored summary and that of the batch cleaned again; empty: none."""
    was, now = stored.model_dump(mode="json"), computed.model_dump(mode="json")
    wrong = [f"{name} is {was[name]}, computed {now[name]}" for name in was if was[name] != now[name]]
    return f"summary.json: {shown(wrong)}" if wrong else ""


def _told(outcome: tuple[bool, dict[str, Any]] | None) -> str:
    if outcome is None:
        return "no such check"
    passed, numbers = outcome
    return f"{'passed' if passed else 'failed'} by {numbers}"
