"""Reports an audit in Markdown and on the terminal."""

import json
import re
from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from fakenews_assets.common import markdown
from fakenews_assets.governance.audit.audit_log import Audit, AuditCheck
from fakenews_assets.governance.audit.summary import summary, withheld

AUDIT_FILE = "audit.json"
REPORT_FILE = "audit.md"

_HASH = re.compile(r"[0-9a-f]{32,}")
_HASH_DIGITS = 12
_NOT_SHOWN = ("text", "title_chars", "text_chars")


def verdict(audit: Audit) -> str:
    """One sentence."""
    checks, faults = len(audit.checks), len(audit.faults)
    if audit.intact:
        skipped = (
            f" {audit.values_not_checked:,} values were not checked." if audit.values_not_checked else ""
        )
        return f"The chain is intact: all {checks} checks passed.{skipped}"
    return f"The chain is broken: {faults} of {checks} checks failed."


def findings(audit: Audit) -> list[str]:
    """Every fault, with the name of its check."""
    return [f"{check.what} {check.name}: {check.fault}" for check in audit.faults]


def to_markdown(audit: Audit) -> str:
    """The whole audit in Markdown: verdict, summary, checks, facts, and how to repeat it."""
    parts = [
        f"# Audit of {markdown.cell(audit.subject)}",
        f"**{verdict(audit)}**",
        *_list(findings(audit)),
        *(markdown.cell(sentence) for sentence in summary(audit)),
    ]
    if audit.not_checked:
        parts += ["Not recomputed:", *_list(audit.not_checked)]
    if audit.taken_out:
        parts += ["Removed on purpose:", *_list(audit.taken_out)]
    if audit.admitted:
        parts += ["Admitted by a person:", *_list(audit.admitted)]
    parts += [
        "## Checks",
        markdown.table(
            ("", "what", "name", "recorded", "computed anew"),
            [
                ("yes" if check.ok else "**no**", check.what, *(markdown.cell(one) for one in _values(check)))
                for check in audit.checks
            ],
        ),
        "## Facts",
        markdown.table(("what", "value"), [(name, markdown.cell(value)) for name, value in _facts(audit)]),
    ]
    if audit.facts is not None:
        settings = json.dumps(audit.facts.config, indent=2, sort_keys=True)
        parts += ["## Configuration", f"```json\n{settings}\n```"]
    return "\n\n".join([*parts, "## Repeat it", *_how_to_repeat(audit)]) + "\n"


def to_terminal(audit: Audit) -> RenderableType:
    """Checks and facts, and last, where a reader's eye is, the summary and the verdict with every fault."""
    checks = Table(title=f"Audit of {audit.subject}", title_justify="left")
    for head in ("", "what", "name", "recorded", "computed anew"):
        checks.add_column(head, overflow="fold")
    for check in audit.checks:
        mark = Text("✓", style="green") if check.ok else Text("✗", style="bold red")
        checks.add_row(mark, check.what, *(Text(one) for one in _values(check)))
    facts = Table.grid(padding=(0, 2))
    for name, value in _facts(audit):
        facts.add_row(Text(name, style="dim"), Text(value))
    notes = [Text(f"Not recomputed: {note}", style="yellow") for note in audit.not_checked]
    notes += [Text(f"Removed on purpose: {note}", style="yellow") for note in audit.taken_out]
    notes += [Text(f"Admitted by a person: {note}", style="yellow") for note in audit.admitted]
    faults = [Text(f"✗ {finding}", style="red") for finding in findings(audit)]
    style = "bold green" if audit.intact else "bold red"
    sentences = [Text(sentence) for sentence in summary(audit)]
    return Group(checks, facts, *notes, *sentences, *faults, Text(verdict(audit), style=style))


def _values(check: AuditCheck) -> tuple[str, ...]:
    """Name, recorded and found value; equal hashes are shortened."""
    values = check.name, check.recorded, check.found
    return values if check.fault else tuple(_HASH.sub(_shortened, value) for value in values)


def _shortened(found: re.Match[str]) -> str:
    return f"{found[0][:_HASH_DIGITS]}…"


def _facts(audit: Audit) -> Iterator[tuple[str, str]]:
    for name, value in audit.answer.items():
        if value is not None and name not in _NOT_SHOWN:
            yield name, str(value)
    if audit.answer and (note := withheld(audit.answer)):
        yield "note", note
    yield "bundle", audit.bundle or "unknown"
    if (facts := audit.facts) is not None:
        yield "candidate", facts.candidate
        yield "encoder", facts.encoder or "none"
        yield "runtime", facts.runtime
        yield "code", facts.git_commit or "unknown"
        yield "made at", str(facts.made_at or "unknown")
        yield "went on from", ", ".join(facts.warm_start) or "no earlier bundle"
        yield from ((f"run of {key}", run or "unknown") for key, run in sorted(facts.runs.items()))
    if (promotion := audit.promotion) is not None:
        yield (
            promotion.action,
            f"by {promotion.promoted_by} at {promotion.promoted_at}, run {promotion.run_id},"
            f" launched by {promotion.launched_by or 'an unknown caller'}",
        )
        yield "because", promotion.reason
        rule = promotion.policy.model_dump() if promotion.policy else {}
        yield "rule", ", ".join(f"{name}={value}" for name, value in rule.items()) or "unknown"
    yield "audited", f"{audit.audited_at} with code {audit.code or 'unknown'}"


def _how_to_repeat(audit: Audit) -> list[str]:
    answer = audit.answer
    asked = f"{answer['request_id']} --row {answer['row']}" if answer else audit.bundle
    commit = audit.facts.git_commit if audit.facts else None
    parts = [f"`{f'fakenews audit {asked}'.strip()}`"]
    if audit.bundle:
        parts.append(f"The audit does not repeat the training. `fakenews reproduce {audit.bundle}` does.")
    if commit is not None:
        parts.append(
            "The audit cleans, clusters and splits with the current code. If it finds a difference and the "
            f"code has changed since, audit with the code of then: `git checkout {commit.removesuffix('-dirty')}`."
        )
    return parts


def _list(items: tuple[str, ...] | list[str]) -> list[str]:
    return ["\n".join(f"- {markdown.cell(item)}" for item in items)] if items else []
