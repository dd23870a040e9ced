import re

from rich.console import Console

from fakenews_assets.governance.audit.audit_log import Audit
from fakenews_assets.governance.audit.report import findings, to_markdown, to_terminal, verdict
from tests.governance.audit.conftest import Project, flip_byte


def spoiled(project: Project) -> Audit:
    flip_byte(project.stored("splits").path / "test.parquet")
    return project.audit()


def test_a_sound_chain_as_markdown(untouched: Audit) -> None:
    text = to_markdown(untouched)
    assert text.startswith(
        f"# Audit of {untouched.subject}\n\n**The chain is intact: all {len(untouched.checks)} checks passed.**"
    )
    assert re.findall(r"^#+ .*$", text, re.MULTILINE)[1:] == [
        "## Checks",
        "## Facts",
        "## Configuration",
        "## Repeat it",
    ]
    assert len(re.findall(r"^\| yes \|", text, re.MULTILINE)) == len(untouched.checks)
    assert "| promote | by selected_model at " in text
    assert "| because | first champion |" in text
    assert f"`fakenews audit {untouched.answer['request_id']} --row 1`" in text


def test_a_broken_chain_names_its_faults_first(project: Project) -> None:
    audit = spoiled(project)
    assert verdict(audit) == f"The chain is broken: 1 of {len(audit.checks)} checks failed."
    assert findings(audit) == ["version splits: not the files that its record lists: test.parquet"]
    head = to_markdown(audit).split("## Checks")[0]
    assert findings(audit)[0] in head
    assert "- Clusters and splits: splits missing or damaged." in head


def test_the_terminal_shows_the_same(project: Project) -> None:
    audit = spoiled(project)
    console = Console(width=120, record=True, quiet=False, file=None)
    with console.capture() as shown:
        console.print(to_terminal(audit))
    assert findings(audit)[0] in shown.get()
    assert shown.get().rstrip().endswith(verdict(audit))


def test_an_audit_survives_its_json(untouched: Audit) -> None:
    again = Audit.model_validate_json(untouched.model_dump_json())
    assert (again.checks, again.facts, again.promotion) == (
        untouched.checks,
        untouched.facts,
        untouched.promotion,
    )
