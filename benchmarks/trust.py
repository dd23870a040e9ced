"""What a score is worth: the same recipes by row, by near-duplicate cluster, by source and by time; and what training
against shortcuts changes.

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
from statistics import mean, stdev
from typing import Annotated, Any, Final

import numpy as np
import polars as pl
import typer
from rich.console import Console

from benchmarks.common import CACHE, ROOT, default_news_path, describe_machine, load_news, write_results
from fakenews_assets.evaluation.generalization.folds import PROTOCOLS, make_folds
from fakenews_assets.evaluation.generalization.generalization import (
    GeneralizationSettings,
    Spread,
    measure,
    spreads,
)
from fakenews_assets.evaluation.generalization.report import division_name, in_reading_order
from fakenews_assets.models.metrics import Metrics
from fakenews_assets.models.settings import BaselineSettings
from fakenews_assets.training.settings import FinetuneSettings
from fakenews_assets.training.shortcuts import tells_sources_apart

console = Console()

PLAIN: Final = FinetuneSettings(epochs=1, sources="as_they_come", mask_names=0, label_smoothing=0)
"""One epoch: on so few rows of news a second one learns the training sources by heart."""

AGAINST_SHORTCUTS: Final = PLAIN.model_copy(update={"sources": "balanced"})
"""What is compared with PLAIN under every division."""

OPTIONS: Final = {
    "group DRO": {"sources": "group_dro"},
    "names hidden in half of the rows": {"mask_names": 0.5},
    "label smoothing 0.1": {"label_smoothing": 0.1},
    "balanced, names hidden in half": {"sources": "balanced", "mask_names": 0.5},
    "balanced, label smoothing 0.1": {"sources": "balanced", "label_smoothing": 0.1},
}
"""What else is changed of PLAIN, tried on the sources not trained on."""

_FAULTS: Final = "tests/governance/audit/test_faults.py::test_a_fault_is_found_and_named"
ROWS_OF_A_SOURCE: Final = 2_000
MODELS: Final = ("baseline", "finetuned", "finetuned-openvino-int8")


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


def run(
    splits: dict[str, pl.DataFrame], settings: GeneralizationSettings, recipe: FinetuneSettings
) -> pl.DataFrame:
    """Measure one recipe, telling how it goes."""

    def tell(done: int, total: int, note: str) -> None:
        console.print(f"  {done}/{total} {note}")

    work = CACHE / "trust"
    work.mkdir(parents=True, exist_ok=True)
    return measure(splits, settings, BaselineSettings(), recipe, work, tell)


def scores_by_seed(predictions: pl.DataFrame, model: str) -> list[float]:
    """Macro-F1 on the sources not trained on, a seed each."""
    rows = predictions.filter(pl.col("protocol") == "source_disjoint", pl.col("model") == model)
    found = []
    for part in rows.sort("seed").partition_by("seed", maintain_order=True):
        score = Metrics.of(part["true_label"].to_numpy(), part["probability"].to_numpy()).macro_f1
        assert score is not None
        found.append(score)
    return found


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


def option_table(found: dict[str, list[float]]) -> list[str]:
    """What each option does to the score on sources not trained on."""
    plain = found["plain"]
    lines = [
        "| training | seeds | macro-F1 on sources not trained on | sd | against plain, same seeds, points |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, scores in found.items():
        both = min(len(scores), len(plain))
        gain = 100 * (mean(scores[:both]) - mean(plain[:both]))
        lines.append(
            f"| {name} | {len(scores)} | {mean(scores):.4f} | {f'{stdev(scores):.4f}' if len(scores) > 1 else ''}"
            f" | {'' if name == 'plain' else f'{gain:+.1f}'} |"
        )
    return lines


def of_one_source(splits: dict[str, pl.DataFrame]) -> list[str]:
    """Divisions whose training rows are all of one source, so that balancing changes nothing."""
    folds = {protocol: list(make_folds(splits, protocol)) for protocol in PROTOCOLS}
    return [
        protocol.replace("_", "-")
        for protocol, found in folds.items()
        if found and not any(tells_sources_apart(fold.train) for fold in found)
    ]


def division_table(before: Sequence[Spread], after: Sequence[Spread]) -> list[str]:
    """Scores under each division, plain and against shortcuts."""
    lines = [
        "| division | test rows | model | plain | against shortcuts |",
        "| --- | ---: | --- | ---: | ---: |",
    ]
    changed = {(one.protocol, one.held_out, one.model): one for one in after}
    for one in in_reading_order(before):
        other = changed.get((one.protocol, one.held_out, one.model))
        lines.append(
            f"| {division_name(one)} | {one.rows:,} | {one.model} | {_with_sd(one)} | {_with_sd(other) if other else ''} |"
        )
    return lines


def main(
    news: Annotated[Path | None, typer.Option(help="News file in WELFake's columns.")] = None,
    seeds: Annotated[int, typer.Option(min=2, help="Trainings of each recipe and division.")] = 3,
    option_seeds: Annotated[int, typer.Option(min=1, help="Trainings of each other option.")] = 1,
    quick: Annotated[bool, typer.Option(help="Smoke run: few rows, two seeds, nothing written.")] = False,
) -> None:
    """Measure and write results/trust.json."""
    splits = load_splits(news or default_news_path())
    rows = 200 if quick else ROWS_OF_A_SOURCE
    seeds = 2 if quick else seeds

    def settings(protocols: Sequence[str], models: Sequence[str], seeds: int) -> GeneralizationSettings:
        return GeneralizationSettings.model_validate(
            {
                "protocols": protocols,
                "models": models,
                "seeds": seeds,
                "rows_of_a_source": rows,
                "test_rows": 2_000,
            }
        )

    tables = {}
    for name, recipe, models in (
        ("plain", PLAIN, MODELS),
        ("against shortcuts", AGAINST_SHORTCUTS, MODELS[1:]),
    ):
        console.print(f"{name}: every division")
        tables[name] = run(splits, settings(PROTOCOLS, models, seeds), recipe)
    before, after = (scores_by_seed(table, "finetuned") for table in tables.values())
    gains = 100 * (np.array(after) - np.array(before))
    options = {"plain": before, "balanced": after}
    for name, changes in OPTIONS.items():
        console.print(f"{name}: sources not trained on")
        recipe = FinetuneSettings.model_validate(PLAIN.model_dump() | changes)
        table = run(splits, settings(["source_disjoint"], ["finetuned"], option_seeds), recipe)
        options[name] = scores_by_seed(table, "finetuned")
    planted, found = planted_faults()
    numbers = {
        "planted_faults": planted,
        "found_faults": found,
        "source_disjoint_gain_pt": float(gains.mean()),
        "source_disjoint_gain_sd_pt": float(gains.std(ddof=1)),
    }
    console.print(numbers)
    lines = report(numbers, tables, options, rows, seeds, of_one_source(splits))
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if quick:
        return
    raw: dict[str, Any] = {
        "rows_of_a_source": rows,
        "seeds": seeds,
        "plain": PLAIN.model_dump(mode="json"),
        "against_shortcuts": AGAINST_SHORTCUTS.model_dump(mode="json"),
        "gains_pt": gains.tolist(),
        "options": options,
        "divisions": {name: [one.model_dump() for one in spreads(table)] for name, table in tables.items()},
        "machine": describe_machine(["torch", "transformers", "openvino", "scikit-learn"]),
    }
    write_results("trust", numbers, raw, "Trust", lines)


def report(
    numbers: dict[str, float],
    tables: dict[str, pl.DataFrame],
    options: dict[str, list[float]],
    rows: int,
    seeds: int,
    unbalanced: Sequence[str],
) -> list[str]:
    """The section of results.md; `unbalanced`: divisions where balancing changes nothing."""
    before, after = (spreads(table) for table in tables.values())
    alike = [
        f"{name.capitalize()}: the training rows are all of one source, so there is nothing to balance, and both columns are"
        " of the same trainings."
        for name in unbalanced
    ]
    return [
        f"The audit finds {numbers['found_faults']} of {numbers['planted_faults']} planted faults"
        " (`tests/governance/audit/test_faults.py`).",
        "",
        f"Macro-F1 on real titles, mean ± sd over {seeds} seeds; at most {rows:,} training rows of each source, one epoch,"
        " decided at 0.5. Source-disjoint: each source that is no more than half of the corpus is judged by a model that"
        " never saw it, all of them together. Against shortcuts: `sources: balanced`, each pair of source and label drawn"
        " equally often. The project trains plainly, as long as nothing is better by more than the seeds differ.",
        "",
        *division_table(before, after),
        "",
        *(line for one in alike for line in (one, "")),
        f"On sources not trained on, training against shortcuts gains {numbers['source_disjoint_gain_pt']:+.1f} ±"
        f" {numbers['source_disjoint_gain_sd_pt']:.1f} points of macro-F1 (fine-tuned, seed by seed).",
        "",
        *option_table(options),
    ]


def _with_sd(spread: Spread) -> str:
    return f"{spread.mean:.4f}" if spread.sd is None else f"{spread.mean:.4f} ± {spread.sd:.4f}"


if __name__ == "__main__":
    typer.run(main)
