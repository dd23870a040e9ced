"""What an audit found, in sentences for people who read no code: answer, article, model, data, and who decided by what rule.

They say what the records say; the checks confirm or refute that.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from fakenews_assets.governance.audit.audit_log import Audit, Batch, Facts, Promotion

_ACTIONS = {"promote": "promoted", "rollback": "rolled back to"}


def summary(audit: Audit) -> list[str]:
    """The sentences; those on an answer only for the audit of one."""
    return list(_sentences(audit))


def withheld(answer: dict[str, Any]) -> str:
    """Which numbers of a log line the answer did not show; empty: none."""
    if answer["out_of_distribution"]:
        return "probability and label were withheld from the answer, because they mean nothing for such an article"
    return "the label was withheld from the answer" if answer["abstained"] else ""


def _sentences(audit: Audit) -> Iterator[str]:
    if answer := audit.answer:
        yield f"Answer: {_verdict(answer)}, to {answer['endpoint']} at {_minute(answer['time'])}."
        yield f"Article: {_article(answer)}."
    if (facts := audit.facts) is not None:
        yield f"Model: {facts.candidate}, bundle {audit.bundle[:12]}, made at {_minute(facts.made_at)}."
        yield f"Data: {_data(facts)}."
    if (promotion := audit.promotion) is not None:
        yield f"Decision: {_decision(promotion)}."
        if promotion.replaced_at is not None:
            yield (
                f"Stale: another model had taken its place at {_minute(promotion.replaced_at)}, but the service still"
                " answered with this one."
            )


def _verdict(answer: dict[str, Any]) -> str:
    if answer["out_of_distribution"]:
        return "unsure, the article being unlike those that the model knows"
    probability = f"{answer['probability']:.1%} for fake"
    if answer["abstained"]:
        return f"unsure, at {probability}"
    return f"{('real', 'fake')[answer['predicted_label']]}, at {probability}"


def _article(answer: dict[str, Any]) -> str:
    size = f"a title of {answer['title_chars']:,} and a text of {answer['text_chars']:,} characters"
    if answer["title"] is None:
        return f"{size}; the log holds no words of it"
    return f"“{answer['title']}” ({size})"


def _data(facts: Facts) -> str:
    batches = "; ".join(_batch(one) for one in facts.batches) or "no readable batch"
    rows = "an unknown number of" if facts.training_articles is None else f"{facts.training_articles:,}"
    return f"trained on {rows} articles of {batches}"


def _batch(batch: Batch) -> str:
    return f"batch {batch.name}, received at {_minute(batch.received_at)} from {batch.source_uri}"


def _decision(promotion: Promotion) -> str:
    rule = "Its rule is unknown"
    if (policy := promotion.policy) is not None:
        rule = (
            f"The rule: the fastest candidate that is at most {policy.max_loss_points:g} points of macro-F1, and"
            f" {policy.max_unseen_loss_points:g} of ROC AUC on unseen publishers, below the best"
        )
    who = f"{_ACTIONS[promotion.action]} by {promotion.promoted_by} at {_minute(promotion.promoted_at)}"
    run = f", in run {promotion.run_id[:8]}" if promotion.run_id else ""
    if run and promotion.launched_by:
        run += f", which {promotion.launched_by} launched"
    return f"{who}{run}, because: {promotion.reason}. {rule}"


def _minute(moment: datetime | str | None) -> str:
    if not moment:
        return "an unknown time"
    moment = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return f"{moment:%Y-%m-%d %H:%M} UTC"
