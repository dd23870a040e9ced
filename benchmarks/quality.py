"""Fine-tuned encoder against the linear model and against style alone, on real titles.

    python -m benchmarks.quality [--quick] [--news FILE] [--seeds 3] [--linear-only]

Titles are cleaned (publisher boilerplate out) and near-duplicates grouped. All train on the same rows and are measured
once on the same test rows. The quick run uses a tenth of the rows and one seed, one epoch. `--linear-only` keeps the
stored runs of the encoder, which take a quarter of an hour each.
"""

import json
from pathlib import Path
from statistics import mean, stdev
from typing import Annotated, Any, Final

import polars as pl
import typer
from rich.console import Console

from benchmarks.common import (
    RESULTS,
    TITLE_RECIPE,
    NewsSplits,
    default_news_path,
    describe_machine,
    finetuned,
    load_news,
    macro_f1,
    write_results,
)
from fakenews_assets.evaluation.probes.views import beginnings, style_forecast
from fakenews_assets.models.bootstrap import bootstrap_intervals
from fakenews_assets.models.metrics import Metrics
from fakenews_assets.models.predictions import articles_of
from fakenews_assets.models.runtimes.loading import load_classifier
from fakenews_assets.models.settings import BaselineTuning
from fakenews_assets.training.baseline import tune_baseline
from fakenews_assets.training.finetuning.history import Progress
from fakenews_assets.training.settings import FinetuneSettings

console = Console()

_ONE_SIGMA: Final = 0.6827
"""Share of a normal distribution within one standard deviation of its mean."""


def report(progress: Progress) -> None:
    """Print validations as they come."""
    if point := progress.validation:
        console.print(
            f"  step {point.step}/{progress.total_steps}: val loss {point.loss:.4f},"
            f" macro-F1 {point.macro_f1:.4f}, {progress.rows_per_second:.0f} rows/s"
        )


def linear_scores(splits: NewsSplits) -> dict[str, float]:
    """Test macro-F1 of the linear model on lower-cased and on cased titles, of the one that tuning prefers, and of style."""
    lowered, cased = (
        tune_baseline(splits.train, splits.val, BaselineTuning(inputs="title", lowercase=(lowercase,)))
        for lowercase in (True, False)
    )
    best = max(lowered, cased, key=lambda tuned: tuned.roc_auc)
    train, test = (beginnings(split.with_columns(text=pl.lit(""))) for split in (splits.train, splits.test))
    style = Metrics.of(test["label"], style_forecast(train, test)).macro_f1
    assert style is not None
    return {
        "baseline_macro_f1": macro_f1(best.classifier, splits.test),
        "linear_macro_f1": macro_f1(lowered.classifier, splits.test),
        "linear_cased_macro_f1": macro_f1(cased.classifier, splits.test),
        "style_probe_macro_f1": style,
    }


def encoder_runs(splits: NewsSplits, settings: FinetuneSettings, seeds: int) -> list[dict[str, Any]]:
    """Fine-tune and score one encoder for each seed."""
    runs = []
    for seed in range(seeds):
        result, folder = finetuned(splits, settings.model_copy(update={"seed": seed}), report)
        predictions = load_classifier(folder).predict(articles_of(splits.test))
        labels, forecasts = splits.test["label"], predictions.probability
        score = Metrics.of(labels, forecasts).macro_f1
        varying = bootstrap_intervals(
            labels,
            forecasts,
            clusters=splits.test["cluster_id"],
            metrics=["macro_f1"],
            level=_ONE_SIGMA,
        )["macro_f1"]
        assert score is not None
        assert varying is not None
        error = (varying.high - varying.low) / 2
        told = result.model_dump(mode="json", exclude={"settings"})
        runs.append({"seed": seed, "test_macro_f1": score, "sampling_se": error, **told})
        console.print(f"seed {seed}: test macro-F1 {score:.4f} +- {error:.4f} (best step {result.best.step})")
    return runs


def main(
    news: Annotated[Path | None, typer.Option(help="News file in WELFake's columns.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Fine-tuning runs.")] = 3,
    quick: Annotated[
        bool, typer.Option(help="Smoke run: a tenth of the rows, one seed, nothing written.")
    ] = False,
    linear_only: Annotated[bool, typer.Option(help="Keep the stored runs of the encoder.")] = False,
) -> None:
    """Measure and write results/quality.json."""
    splits = load_news(news or default_news_path())
    settings = TITLE_RECIPE
    if quick:
        splits = NewsSplits(*(frame.gather_every(10) for frame in (splits.train, splits.val, splits.test)))
        settings, seeds = settings.model_copy(update={"epochs": 1}), 1
    raw: dict[str, Any] = {
        "rows": {"train": len(splits.train), "val": len(splits.val), "test": len(splits.test)},
        "settings": settings.model_dump(mode="json"),
    }
    console.print(f"rows: {raw['rows']}")
    linear = linear_scores(splits)
    if linear_only:
        stored = json.loads((RESULTS / "quality.json").read_text())["raw"]
        if stored["rows"] != raw["rows"]:
            raise SystemExit(f"The stored runs are on other rows, {stored['rows']}. Measure all of it.")
        raw = stored
    else:
        raw["runs"] = encoder_runs(splits, settings, seeds)
        raw["machine"] = describe_machine(["torch", "transformers", "lightning"])
    raw["linear_machine"] = describe_machine(["scikit-learn"])
    scores = [run["test_macro_f1"] for run in raw["runs"]]
    numbers = {
        **linear,
        "finetuned_macro_f1_mean": mean(scores),
        "finetuned_macro_f1_sd": stdev(scores) if len(scores) > 1 else 0.0,
        "finetuned_sampling_se": mean(run["sampling_se"] for run in raw["runs"]),
        "seeds": len(scores),
    }
    summary = (
        f"the linear model reaches {linear['linear_macro_f1']:.3f} lower-cased and"
        f" {linear['linear_cased_macro_f1']:.3f} cased, style features alone {linear['style_probe_macro_f1']:.3f},"
        f" the fine-tuned encoder {numbers['finetuned_macro_f1_mean']:.3f} (standard deviation"
        f" {numbers['finetuned_macro_f1_sd']:.4f} over {len(scores)} seeds, {numbers['finetuned_sampling_se']:.4f} over test"
        " articles)"
    )
    console.print(summary)
    if not quick:
        _write(numbers, raw, summary)


def _write(numbers: dict[str, float], raw: dict[str, Any], summary: str) -> None:
    machine = raw["machine"]
    scores = {
        "linear, lower-cased": numbers["linear_macro_f1"],
        "linear, cased": numbers["linear_cased_macro_f1"],
        "style features alone": numbers["style_probe_macro_f1"],
    }
    write_results(
        "quality",
        numbers,
        raw,
        "Quality",
        [
            f"Macro-F1 on {raw['rows']['test']:,} test titles ({raw['rows']['train']:,} training titles),"
            f" near-duplicates grouped: {summary}. All of these are in-distribution: the publishers' style tells the"
            " label, and the encoder reads no case.",
            "",
            "| run | test macro-F1 | best step | rows/s |",
            "| --- | ---: | ---: | ---: |",
            *(f"| {name} | {score:.4f} | | |" for name, score in scores.items()),
            *(
                f"| {raw['settings']['encoder']['name']}, seed {run['seed']} | {run['test_macro_f1']:.4f}"
                f" | {run['best']['step']} | {run['rows_per_second']:.0f} |"
                for run in raw["runs"]
            ),
            "",
            f"{machine['processor']}, {machine['cores']} cores, torch {machine['versions']['torch']}.",
        ],
    )


if __name__ == "__main__":
    typer.run(main)
