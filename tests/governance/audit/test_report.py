import re

from rich.console import Console

from fakenews_assets.common.launching import current_user
from fakenews_assets.governance.audit.audit_log import Audit
from fakenews_assets.governance.audit.report import findings, to_markdown, to_terminal, verdict
from fakenews_assets.governance.audit.summary import summary
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


def test_the_summary_tells_answer_article_model_data_and_decision(untouched: Audit) -> None:
    sentences = summary(untouched)
    answer, day = untouched.answer, f"{untouched.answer['time']:%Y-%m-%d}"
    verdict_of_it = "unsure" if answer["abstained"] else ("real", "fake")[answer["predicted_label"]]
    assert sentences[0].startswith(f"Answer: {verdict_of_it}")
    assert f"to /predict at {day}" in sentences[0]
    assert sentences[1].startswith(f"Article: “{answer['title']}” (a title of {len(answer['title'])} and")
    assert sentences[2].startswith(f"Model: baseline, bundle {untouched.bundle[:12]}, made at ")
    assert re.match(
        r"Data: trained on [\d,]+ articles of batch b1, received at 20\d\d-.* UTC from .+\.", sentences[3]
    )
    assert "Decision: promoted by selected_model at " in sentences[4]
    assert f", which {current_user()} launched, because: first champion." in sentences[4]
    assert "The rule: the fastest candidate that is at most 0.5 points" in sentences[4]
    assert to_markdown(untouched).index(sentences[4]) < to_markdown(untouched).index("## Checks")
    assert summary(Audit.model_validate_json(untouched.model_dump_json())) == sentences


def test_the_summary_gives_no_number_that_the_answer_withheld(untouched: Audit) -> None:
    answer = untouched.answer | {"out_of_distribution": True, "abstained": True, "title": None, "text": None}
    audit = untouched.model_copy(update={"answer": answer})
    assert summary(audit)[0].startswith(
        "Answer: unsure, the article being unlike those that the model knows, to /predict"
    )
    assert "; the log holds no words of it." in summary(audit)[1]
    assert "| note | probability and label were withheld from the answer" in to_markdown(audit)
