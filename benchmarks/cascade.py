"""What a cascade gains in speed and loses in quality, on titles and on articles.

    python -m benchmarks.cascade [--news FILE] [--other FILE]

Its ensemble combines the linear model with the encoder in int8. The encoders are those of `benchmarks.publishers` with its
default settings, trained here if they are not in `benchmarks/.cache` yet. Articles are of publishers in training,
and, by themselves, of publishers not in it. Which articles are deferred is chosen on one half of the validation rows
and measured on the other, and the other way round; titles have a test split.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import polars as pl
import typer
from rich.console import Console
from sklearn.metrics import f1_score

from benchmarks.cheaper import HALF, timed_articles, titles_then_articles
from benchmarks.common import (
    NewsSplits,
    describe_machine,
    stored_results,
    write_results,
)
from fakenews_assets.compression.quantization import make_variant
from fakenews_assets.compression.settings import QuantizationSettings
from fakenews_assets.ensembling.assets import CascadeSettings, EnsembleSettings
from fakenews_assets.ensembling.cascade import make_cascade
from fakenews_assets.ensembling.ensemble import make_ensemble
from fakenews_assets.models.classifier import Classifier
from fakenews_assets.models.predictions import articles_of
from fakenews_assets.models.runtimes.loading import load_classifier
from fakenews_assets.models.settings import BaselineTuning, Inputs
from fakenews_assets.selection.timing import compare_speeds
from fakenews_assets.training.baseline import tune_baseline

console = Console()

KINDS: Final = ("cascade", "ensemble", "encoder", "linear")


@dataclass(frozen=True)
class Models:
    """The models of one kind of input."""

    encoder: Path
    """In int8."""
    linear: Path
    ensemble: Path


def make_models(news: NewsSplits, encoder: Path, inputs: Inputs, folder: Path) -> Models:
    """Fit the linear model, export the encoder, and combine them."""
    made = Models(folder / "int8", folder / "linear", folder / "ensemble")
    tune_baseline(news.train, news.val, BaselineTuning(inputs=inputs)).classifier.save(made.linear)
    make_variant(encoder, "openvino-int8", news.train, news.val, QuantizationSettings(), made.encoder)
    make_ensemble(made.encoder, made.linear, news.val, EnsembleSettings().linear_weight, made.ensemble)
    return made


def measure(models: Models, pairs: list[tuple[pl.DataFrame, pl.DataFrame]], folder: Path) -> dict[str, Any]:
    """Scores and speeds.

    Args:
        models: the models.
        pairs: validation articles that choose what is deferred, and the articles to measure on.
        folder: for the cascades.
    """
    settings = CascadeSettings()
    labels: list[np.ndarray] = []
    answers: dict[str, list[np.ndarray]] = {kind: [] for kind in KINDS}
    deferred: list[np.ndarray] = []
    loaded: dict[str, Classifier] = {}
    for number, (val, test) in enumerate(pairs):
        cascade = folder / f"cascade-{number}"
        make_cascade(
            models.ensemble,
            val,
            cascade,
            max_loss=settings.max_loss_points / 100,
            confidence=settings.confidence,
        )
        paths = (cascade, models.ensemble, models.encoder, models.linear)
        loaded = {kind: load_classifier(path) for kind, path in zip(KINDS, paths, strict=True)}
        articles = articles_of(test)
        labels.append(test["label"].to_numpy())
        for kind, classifier in loaded.items():
            predictions = classifier.predict(articles)
            answers[kind].append(predictions.predicted_label)
            if predictions.deferred is not None:
                deferred.append(predictions.deferred)
    true = np.concatenate(labels)
    found = {kind: np.concatenate(parts) for kind, parts in answers.items()}
    speeds = compare_speeds(loaded, timed_articles(pairs[-1][1]))
    return {
        "rows": len(true),
        "deferred_share": float(np.concatenate(deferred).mean()),
        "macro_f1": {kind: float(f1_score(true, one, average="macro")) for kind, one in found.items()},
        "rows_per_second": speeds.rows_per_second,
        "speedup": {
            other: speeds.ratio("cascade", other).model_dump(mode="json") for other in ("ensemble", "encoder")
        },
    }


def main(
    news: Annotated[Path | None, typer.Option(help="Rows of many publishers.")] = None,
    other: Annotated[Path | None, typer.Option(help="Rows of another corpus, in WELFake's columns.")] = None,
) -> None:
    """Measure, and write the keys of the cascade into results/throughput.json."""
    made = titles_then_articles(news, other)
    parts: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        titles, encoder = next(made)
        models = make_models(titles, encoder, "title", folder / "titles")
        parts["titles"] = measure(models, [(titles.val, titles.test)], folder / "titles")
        console.print(parts["titles"])
        articles, encoder = next(made)
        models = make_models(articles, encoder, "title_and_text", folder / "articles")
        one, two = articles.val.filter(HALF), articles.val.filter(~HALF)
        parts["articles"] = measure(models, [(one, two), (two, one)], folder / "articles")
        parts["articles of unseen publishers"] = measure(
            models, [(articles.val, articles.test)], folder / "unseen"
        )
    write(parts)


def write(parts: dict[str, dict[str, Any]]) -> None:
    """Add the cascade to the keys that other benchmarks have written."""
    before, raw = stored_results("throughput")
    gaps = {
        name: 100 * (part["macro_f1"]["cascade"] - part["macro_f1"]["encoder"])
        for name, part in parts.items()
    }
    numbers = {
        **before,
        "cascade_macro_f1_gap_pt": gaps["titles"],
        "cascade_speedup": parts["titles"]["speedup"]["encoder"]["ratio"],
        "cascade_articles_macro_f1_gap_pt": gaps["articles"],
        "cascade_articles_speedup": parts["articles"]["speedup"]["encoder"]["ratio"],
    }
    machine = describe_machine(["torch", "openvino", "scikit-learn"])
    raw["cascade"] = {**parts, "machine": machine}
    lines = [
        "The linear model answers what it is sure of; the ensemble of it and the int8 encoder answers the rest. Rows are"
        " scored in turns, ratios with 95 % intervals over the turns. Lost against the ensemble may be at most"
        f" {CascadeSettings().max_loss_points:g} points of accuracy, with probability 0.95, on articles like those of the validation split.",
        "",
        "| rows | number | deferred | macro-F1 cascade, ensemble, encoder, linear | times as fast as the encoder | as the ensemble |",
        "| --- | ---: | ---: | --- | ---: | ---: |",
        *(
            f"| {name} | {part['rows']:,} | {part['deferred_share']:.1%} |"
            f" {_scores(part['macro_f1'])} |"
            f" {_ratio(part['speedup']['encoder'])} | {_ratio(part['speedup']['ensemble'])} |"
            for name, part in parts.items()
        ),
    ]
    write_results("throughput", numbers, raw, "Cascade", lines)


def _scores(macro_f1: dict[str, float]) -> str:
    return ", ".join(f"{macro_f1[kind]:.4f}" for kind in KINDS)


def _ratio(one: dict[str, float]) -> str:
    return f"{one['ratio']:.2f} ({one['low']:.2f} to {one['high']:.2f})"


if __name__ == "__main__":
    typer.run(main)
