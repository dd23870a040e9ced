"""Fine-tuned encoder against TF-IDF + logistic regression, on real titles.

    python -m benchmarks.quality [--quick] [--news FILE] [--seeds 3]

Titles are cleaned (publisher boilerplate out), near-duplicates grouped; both candidates train on the same rows
and are measured once on the same test rows. The quick run uses a tenth of the rows and one seed, one epoch.
"""

from pathlib import Path
from statistics import mean, stdev
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks.common import (
    TITLE_RECIPE,
    NewsSplits,
    default_news_path,
    describe_machine,
    finetuned,
    load_news,
    macro_f1,
    write_results,
)
from fakenews_assets.models.runtimes.linear import fit_baseline
from fakenews_assets.models.runtimes.loading import load_classifier
from fakenews_assets.models.settings import BaselineSettings
from fakenews_assets.training.finetuning.history import Progress

console = Console()


def report(progress: Progress) -> None:
    """Print validations as they come."""
    if point := progress.validation:
        console.print(
            f"  step {point.step}/{progress.total_steps}: val loss {point.loss:.4f},"
            f" macro-F1 {point.macro_f1:.4f}, {progress.rows_per_second:.0f} rows/s"
        )


def main(
    news: Annotated[Path | None, typer.Option(help="News file in WELFake's columns.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Fine-tuning runs.")] = 3,
    quick: Annotated[
        bool, typer.Option(help="Smoke run: a tenth of the rows, one seed, nothing written.")
    ] = False,
) -> None:
    """Measure and write results/quality.json."""
    splits = load_news(news or default_news_path())
    settings = TITLE_RECIPE
    if quick:
        splits = NewsSplits(*(frame.gather_every(10) for frame in (splits.train, splits.val, splits.test)))
        settings, seeds = settings.model_copy(update={"epochs": 1}), 1
    rows = {"train": len(splits.train), "val": len(splits.val), "test": len(splits.test)}
    console.print(f"rows: {rows}")

    baseline = macro_f1(fit_baseline(splits.train, BaselineSettings()), splits.test)
    console.print(f"baseline: test macro-F1 {baseline:.4f}")
    scores: list[float] = []
    runs: list[dict[str, Any]] = []
    for seed in range(seeds):
        result, folder = finetuned(splits, settings.model_copy(update={"seed": seed}), report)
        score = macro_f1(load_classifier(folder), splits.test)
        scores.append(score)
        runs.append(
            {"seed": seed, "test_macro_f1": score, **result.model_dump(mode="json", exclude={"settings"})}
        )
        console.print(f"seed {seed}: test macro-F1 {score:.4f} (best step {result.best.step})")

    numbers = {
        "baseline_macro_f1": baseline,
        "finetuned_macro_f1_mean": mean(scores),
        "finetuned_macro_f1_sd": stdev(scores) if len(scores) > 1 else 0.0,
        "seeds": seeds,
    }
    gain = 100 * (numbers["finetuned_macro_f1_mean"] - baseline)
    summary = (
        f"fine-tuned {numbers['finetuned_macro_f1_mean']:.4f} ± {numbers['finetuned_macro_f1_sd']:.4f}"
        f" ({seeds} seeds), baseline {baseline:.4f}: {gain:+.1f} points (target: +2)"
    )
    console.print(summary)
    if quick:
        return
    machine = describe_machine(["torch", "transformers", "lightning", "scikit-learn"])
    write_results(
        "quality",
        numbers,
        {"rows": rows, "settings": settings.model_dump(mode="json"), "runs": runs, "machine": machine},
        "Quality",
        [
            f"Macro-F1 on {rows['test']:,} test titles ({rows['train']:,} training titles), near-duplicates"
            f" grouped: {summary}.",
            "",
            "| run | test macro-F1 | best step | rows/s |",
            "| --- | ---: | ---: | ---: |",
            f"| TF-IDF + logistic regression | {baseline:.4f} | | |",
            *(
                f"| {settings.encoder.name}, seed {run['seed']} | {run['test_macro_f1']:.4f}"
                f" | {run['best']['step']} | {run['rows_per_second']:.0f} |"
                for run in runs
            ),
            "",
            f"{machine['processor']}, {machine['cores']} cores, torch {machine['versions']['torch']}.",
        ],
    )


if __name__ == "__main__":
    typer.run(main)
