"""What a score is worth: the same recipes by row, by near-duplicate cluster, by source and by time.

    python -m benchmarks.trust [--quick] [--news FILE] [--seeds 3]

The news file needs its neighbour `<name>_sources.csv.gz` (columns `serial`, `source`, `date`): WELFake's own columns
name neither. Every run is kept in the cache, so that a killed measurement goes on.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import polars as pl
import typer
from rich.console import Console

from benchmarks.common import (
    CACHE,
    ROOT,
    TITLE_RECIPE,
    default_news_path,
    describe_machine,
    load_news,
    write_results,
)
from fakenews_assets.common import progress
from fakenews_assets.evaluation.generalization.generalization import Spread, measure, spreads
from fakenews_assets.evaluation.generalization.report import division_name, in_reading_order
from fakenews_assets.evaluation.generalization.settings import PROTOCOLS, GeneralizationSettings, Model
from fakenews_assets.models.settings import BaselineSettings

console = Console()

RECIPE: Final = TITLE_RECIPE.model_copy(update={"epochs": 1})
"""One epoch: on so few rows of news a second one learns the training sources by heart."""

_FAULTS: Final = "tests/governance/audit/test_faults.py::test_a_fault_is_found_and_named"
ROWS_OF_A_SOURCE: Final = 2_000
MODELS: Final[tuple[Model, ...]] = ("baseline", "finetuned", "finetuned-openvino-int8")


def load_splits(path: Path) -> dict[str, pl.DataFrame]:
    """Clean, cluster and split the news file with the source and the date of each row."""
    origins = path.with_name(path.name.replace(".csv", "_sources.csv"))
    if not origins.is_file():
        raise FileNotFoundError(f"{origins}: no such file, and {path} alone names no sources")
    raw = pl.read_csv(path, infer_schema_length=0).rename({"": "serial"})
    day = pl.col("date").str.strip_chars()
    dates = [day.str.to_date(form, strict=False) for form in ("%B %d, %Y", "%b %d, %Y", "%d-%b-%y")]
    known = pl.read_csv(origins, infer_schema_length=0).select(
        "serial", "source", published_at=pl.coalesce(dates).cast(pl.String)
    )
    with tempfile.TemporaryDirectory() as folder:
        joined = Path(folder) / "news.csv"
        raw.join(known, on="serial", maintain_order="left").drop("serial").write_csv(joined)
        splits = load_news(joined)
    return {"train": splits.train, "val": splits.val, "test": splits.test}


def run(splits: dict[str, pl.DataFrame], settings: GeneralizationSettings) -> pl.DataFrame:
    """Train and judge, telling how it goes."""
    work = CACHE / "trust"
    work.mkdir(parents=True, exist_ok=True)
    with progress.listening(progress.Lines(console.print)), progress.step("measuring"):
        return measure(splits, settings, BaselineSettings(), RECIPE, work)


def planted_faults() -> tuple[int, int]:
    """Faults that the audit's tests plant, and how many of them it finds and names."""
    answer = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", _FAULTS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    counted = {what: int(count) for count, what in re.findall(r"(\d+) (passed|failed|error)", answer.stdout)}
    if not counted:
        raise RuntimeError(f"The planted faults were not run:\n{answer.stdout[-2000:]}")
    return sum(counted.values()), counted.get("passed", 0)


def division_table(found: Sequence[Spread]) -> list[str]:
    """Scores under each division."""
    return [
        "| division | test rows | model | macro-F1 |",
        "| --- | ---: | --- | ---: |",
        *(
            f"| {division_name(one)} | {one.rows:,} | {one.model} | {_with_sd(one)} |"
            for one in in_reading_order(found)
        ),
    ]


def main(
    news: Annotated[Path | None, typer.Option(help="News file in WELFake's columns.")] = None,
    seeds: Annotated[int, typer.Option(min=2, help="Trainings of each recipe and division.")] = 3,
    quick: Annotated[bool, typer.Option(help="Smoke run: few rows, two seeds, nothing written.")] = False,
) -> None:
    """Measure and write results/trust.json."""
    splits = load_splits(news or default_news_path())
    rows = 200 if quick else ROWS_OF_A_SOURCE
    seeds = 2 if quick else seeds
    settings = GeneralizationSettings(
        protocols=PROTOCOLS, models=MODELS, seeds=seeds, rows_of_a_source=rows, test_rows=2_000
    )
    found = spreads(run(splits, settings))
    planted, named = planted_faults()
    numbers = {"planted_faults": planted, "found_faults": named}
    console.print(numbers)
    lines = report(numbers, found, rows, seeds)
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if quick:
        return
    raw: dict[str, Any] = {
        "rows_of_a_source": rows,
        "seeds": seeds,
        "recipe": RECIPE.model_dump(mode="json"),
        "divisions": [one.model_dump() for one in found],
        "machine": describe_machine(["torch", "transformers", "openvino", "scikit-learn"]),
    }
    write_results("trust", numbers, raw, "Trust", lines)


def report(numbers: dict[str, int], found: Sequence[Spread], rows: int, seeds: int) -> list[str]:
    """The section of results.md."""
    return [
        f"The audit finds {numbers['found_faults']} of {numbers['planted_faults']} planted faults"
        " (`tests/governance/audit/test_faults.py`).",
        "",
        f"Macro-F1 on real titles, mean ± sd over {seeds} seeds; at most {rows:,} training rows of each source, one epoch,"
        " decided at 0.5. Source-disjoint: each source that is no more than half of the corpus is judged by a model that"
        " never saw it, all of them together.",
        "",
        *division_table(found),
    ]


def _with_sd(spread: Spread) -> str:
    return f"{spread.mean:.4f}" if spread.sd is None else f"{spread.mean:.4f} ± {spread.sd:.4f}"


if __name__ == "__main__":
    typer.run(main)
