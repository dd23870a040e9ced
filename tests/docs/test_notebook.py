"""The notebook of the documentation shows what its code gives, and its code runs."""

import re
import runpy
from pathlib import Path
from typing import Any

import nbformat
import pytest
from rich.console import Console

from fakenews_assets.cli.running import GraphRunner
from tests.support.watched import QUICK_EVALUATION, Watched

DOCS = Path(__file__).parents[2] / "docs"
NOTEBOOK = DOCS / "explore.ipynb"


def code(notebook: nbformat.NotebookNode) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def shown(notebook: nbformat.NotebookNode) -> dict[str, list[list[str]]]:
    """What kinds of output each cell has, by the cell's id."""
    return {
        cell.id: [sorted(output.get("data", {output.output_type: ""})) for output in cell.outputs]
        for cell in code(notebook)
    }


def test_the_notebook_was_executed_from_top_to_bottom() -> None:
    """Outdated? `make demo`, then `make notebook`."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    cells = code(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert {output.output_type for output in outputs} == {
        "display_data",
        "execute_result",
    }  # no error, no log
    plots = [output for cell in cells if "plot" in cell.id for output in cell.outputs]
    assert plots
    assert all("image/png" in plot.data for plot in plots)


def test_the_notebook_is_small_and_names_no_folder_of_a_machine() -> None:
    text = NOTEBOOK.read_text()
    assert len(text) < 1_000_000
    words = re.sub(r'"image/png": ".*"', "", text)
    assert re.findall(r"(?:/home|/root|/tmp|/Users|/work|file:/)[\w/.-]*", words) == []


@pytest.mark.training
def test_the_code_runs_on_another_store(watched: Watched) -> None:
    with GraphRunner(Console(quiet=True)) as runner:
        for job in ("quantize_model", "evaluate_candidate"):
            runner.run(
                job,
                "finetuned-openvino-int8",
                {"quantized_bert": {"calibration_rows": 40}, "evaluation": QUICK_EVALUATION},
            )

    executed = runpy.run_path(str(DOCS / "execute_notebook.py"))["execute"](str(watched.store.root))

    assert shown(executed) == shown(nbformat.read(NOTEBOOK, as_version=4))
    (costs,) = [cell for cell in code(executed) if cell.id == "compression-costs"]
    assert "finetuned-openvino-int8" in costs.outputs[0].data["text/html"]
