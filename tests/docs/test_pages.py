"""What pages say of the code is true: files and assets exist, the diagram is current, records are complete."""

import re
import runpy
from datetime import date
from pathlib import Path

import pytest

from fakenews_assets.definitions import defs

REPOSITORY = Path(__file__).parents[2]
DOCS = REPOSITORY / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *REPOSITORY.glob("*.md")])
RECORDS = sorted((DOCS / "decisions").glob("[0-9]*.md"))
OURS = "bentos|fakenews_assets|fakenews_resources|tests|docs|benchmarks|deploy|\\.github"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_files_that_a_page_names_exist(page: Path) -> None:
    named = re.findall(rf"`((?:{OURS})/[\w./-]*)`", page.read_text())
    assert [name for name in named if not (REPOSITORY / name).exists()] == []


def test_the_layer_diagram_is_current() -> None:
    """Outdated? Draw it anew: python docs/layer_diagram.py"""
    drawing = runpy.run_path(str(DOCS / "layer_diagram.py"))
    assert drawing["DIAGRAM"].read_text() == drawing["draw"](drawing["imports"]())


def test_an_import_between_layers_shows_in_the_diagram() -> None:
    drawing = runpy.run_path(str(DOCS / "layer_diagram.py"))
    top, middle, bottom = "bentos", "fakenews_assets.models", "fakenews_resources"
    chain = {top: {middle}, middle: {bottom}, bottom: set[str]()}
    assert drawing["draw"](chain).count("marker-end") == 2
    assert drawing["draw"](chain | {top: {middle, bottom}}) == drawing["draw"](
        chain
    )  # follows from the others
    assert drawing["draw"](chain | {middle: set()}).count("marker-end") == 1


def test_each_step_of_a_flow_names_its_file_and_its_asset() -> None:
    flows = re.findall(
        r"^\| step \|.*\n\|.*\n((?:\|.*\n)+)", (DOCS / "architecture.md").read_text(), re.MULTILINE
    )
    assert len(flows) == 3
    steps = [
        [cell.strip() for cell in row.strip("|").split("|")] for flow in flows for row in flow.splitlines()
    ]
    assert all(re.match(rf"`({OURS})/", step[-1]) for step in steps)
    assets = {key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()}
    named = {step[1].strip("`") for step in steps if len(step) == 4}
    assert named - {"–"} <= assets
    assert {"raw_news", "selected_model"} <= named


def test_the_list_of_assets_is_that_of_the_graph() -> None:
    listed = re.findall(r"^\| [a-z]* ?\| `(\w+)` \|", (DOCS / "assets.md").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(
        key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()
    )


def test_the_glossary_is_in_order() -> None:
    terms = re.findall(r"^\| (?!term |---)(.*?) \|", (DOCS / "glossary.md").read_text(), re.MULTILINE)
    assert terms == sorted(terms, key=str.casefold)
    assert len(terms) == len(set(terms))


def test_no_two_decisions_share_a_number() -> None:
    numbers = [record.name[:4] for record in RECORDS]
    assert len(numbers) == len(set(numbers))


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.stem)
def test_a_decision_is_dated_and_says_what_was_weighed(record: Path) -> None:
    text = record.read_text()
    found = re.match(r"# (\d+)\. (.+)\n\nDate: (\S+) · Status: (accepted|replaced by)", text)
    assert found is not None
    number, title, dated = found[1], found[2], date.fromisoformat(found[3])
    assert int(number) == int(record.name[:4])
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == [
        "Context",
        "Alternatives",
        "Decision",
        "Consequences",
    ]
    index = (DOCS / "decisions" / "index.md").read_text()
    assert f"| {dated} | [{number}. {title}]({record.name}) |" in index
