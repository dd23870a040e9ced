"""What a static student gains in speed over the int8 encoder, and how it does beside model2vec's own classifier.

    FAKENEWS_BENCH_MODEL2VEC=model2vec python -m benchmarks.static [--news FILE] [--other FILE] [--seeds 3]

The variable names the environment that `benchmarks/model2vec_peer.py` says how to make. model2vec starts from the same packaged
encoder, with its own settings. The teachers are those of `benchmarks.publishers` with its default settings, trained here if they are
not in `benchmarks/.cache` yet. All but the teacher learn from a third of the articles. Titles have a test split. Of articles, one half of the validation rows decides which
epochs are kept, and the other half is measured on, beside the articles of publishers not in training.
"""

import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import mean
from typing import Annotated, Any, Final

import numpy as np
import polars as pl
import typer
from numpy.typing import NDArray
from rich.console import Console
from sklearn.metrics import f1_score, roc_auc_score

from benchmarks.cheaper import HALF, timed_articles, titles_then_articles
from benchmarks.common import (
    CACHE,
    ROOT,
    NewsSplits,
    describe_machine,
    stored_results,
    write_results,
)
from fakenews_assets.compression.quantization import make_variant
from fakenews_assets.compression.settings import QuantizationSettings, StaticSettings
from fakenews_assets.compression.static import make_static
from fakenews_assets.models.encoders import resolve
from fakenews_assets.models.predictions import articles_of
from fakenews_assets.models.runtimes.loading import load_classifier
from fakenews_assets.models.settings import BaselineTuning, EncoderSpec, Inputs
from fakenews_assets.selection.timing import compare_speeds
from fakenews_assets.training.baseline import tune_baseline

console = Console()

MODEL2VEC_VARIABLE: Final = "FAKENEWS_BENCH_MODEL2VEC"
STATIC, PEER = "static", "model2vec"
KINDS: Final = (STATIC, PEER, "encoder", "linear")
_CORPORA: Final = ("abp", "recovery")
"""Corpora with both labels and texts: ROC AUC on unseen publishers is within each."""


def measure(
    teacher: Path,
    rows: NewsSplits,
    tests: Mapping[str, pl.DataFrame],
    inputs: Inputs,
    seeds: int,
    folder: Path,
) -> dict[str, Any]:
    """Scores by test, kind and seed, and speeds.

    Args:
        teacher: fine-tuned on these rows.
        rows: of which `test` is not read.
        tests: what is predicted, by name.
        inputs: what the models read.
        seeds: trainings of the static student and of model2vec.
        folder: for the models.
    """
    paths = {kind: folder / kind for kind in KINDS if kind != PEER}
    tune_baseline(rows.train, rows.val, BaselineTuning(inputs=inputs)).classifier.save(paths["linear"])
    make_variant(teacher, "openvino-int8", rows.train, rows.val, QuantizationSettings(), paths["encoder"])
    found: dict[str, dict[str, list[dict[str, float]]]] = {
        name: {kind: [] for kind in KINDS} for name in tests
    }
    for seed in range(seeds):
        settings = StaticSettings(seed=seed)
        work = CACHE / f"static-{teacher.parent.name}"
        work.mkdir(exist_ok=True)
        result = make_static(teacher, rows.train, rows.val, settings, paths[STATIC], work)
        console.print(f"seed {seed}: {result}")
        of_peer = ask_model2vec(rows, tests, inputs, seed, folder / PEER)
        for name, table in tests.items():
            found[name][PEER].append(scores(table, of_peer[name]))
            for kind in paths if seed == 0 else (STATIC,):
                predicted = load_classifier(paths[kind]).predict(articles_of(table)).probability
                found[name][kind].append(scores(table, predicted))
    timed = timed_articles(next(iter(tests.values())))
    loaded = {kind: load_classifier(path) for kind, path in paths.items()}
    speeds = compare_speeds(loaded, timed, seconds=60)
    return {
        "rows": {name: len(table) for name, table in tests.items()},
        "scores": found,
        "rows_per_second": speeds.rows_per_second,
        "load": os.getloadavg()[0],
        "speedup": {
            other: speeds.ratio(STATIC, other).model_dump(mode="json") for other in ("encoder", "linear")
        },
    }


def ask_model2vec(
    rows: NewsSplits, tests: Mapping[str, pl.DataFrame], inputs: Inputs, seed: int, folder: Path
) -> dict[str, NDArray[np.float64]]:
    """Probabilities of fake of model2vec's classifier, by test."""
    folder.mkdir(exist_ok=True)
    for name, table in {"train": rows.train, "val": rows.val, **tests}.items():
        shown = table if inputs == "title_and_text" else table.with_columns(text=pl.lit(""))
        shown.select("title", "text", "label").write_parquet(folder / f"{name}.parquet")
    program = Path(os.environ[MODEL2VEC_VARIABLE]) / "bin" / "python"
    encoder = str(resolve(EncoderSpec()))
    script = ROOT / "benchmarks" / "model2vec_peer.py"
    distilled = folder.parents[1] / "distilled"
    subprocess.run([program, script, folder, encoder, distilled, str(seed)], check=True)
    return {name: np.load(folder / f"{name}-{seed}.npy") for name in tests}


def scores(table: pl.DataFrame, probability: NDArray[np.floating]) -> dict[str, float]:
    """Macro-F1 at 0.5, and the mean ROC AUC within the corpora; of one corpus its own."""
    labels = table["label"].to_numpy()
    kept = [(table["batch"] == corpus).to_numpy() for corpus in _CORPORA]
    parts = [one for one in kept if one.any()] or [np.ones(len(table), dtype=np.bool_)]
    return {
        "macro_f1": float(f1_score(labels, probability >= 0.5, average="macro")),
        "roc_auc": mean(float(roc_auc_score(labels[one], probability[one])) for one in parts),
    }


def main(
    news: Annotated[Path | None, typer.Option(help="Rows of many publishers.")] = None,
    other: Annotated[Path | None, typer.Option(help="Rows of another corpus, in WELFake's columns.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of the students of titles.")] = 3,
) -> None:
    """Measure, and write the keys of the static student into results/throughput.json."""
    made = titles_then_articles(news, other)
    parts: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as name:
        titles, teacher = next(made)
        folder = Path(name) / "titles"
        folder.mkdir()
        parts["titles"] = measure(teacher, titles, {"titles": titles.test}, "title", seeds, folder)
        console.print(parts["titles"])
        write(parts)  # articles take long
        articles, teacher = next(made)
        rows = NewsSplits(articles.train.gather_every(3), articles.val.filter(HALF), articles.test)
        # `buzzfeed_top` has no texts and is all fake: a missing text would tell.
        with_text = articles.test.filter(pl.col("text") != "")
        tests = {"articles": articles.val.filter(~HALF), "articles of unseen publishers": with_text}
        folder = Path(name) / "articles"
        folder.mkdir()
        parts["articles"] = measure(teacher, rows, tests, "title_and_text", 1, folder)
        console.print(parts["articles"])
    write(parts)


def write(parts: dict[str, dict[str, Any]]) -> None:
    """Add the static student to the keys that other benchmarks have written."""
    before, raw = stored_results("throughput")
    found = {name: one for part in parts.values() for name, one in part["scores"].items()}
    mean_of = {
        name: {kind: {key: mean(s[key] for s in seeds) for key in seeds[0]} for kind, seeds in kinds.items()}
        for name, kinds in found.items()
    }
    titles = mean_of["titles"]
    numbers = {
        **before,
        "static_speedup": parts["titles"]["speedup"]["encoder"]["ratio"],
        "static_macro_f1": titles[STATIC]["macro_f1"],
        "vs_model2vec_macro_f1_pt": 100 * (titles[STATIC]["macro_f1"] - titles[PEER]["macro_f1"]),
    }
    if "articles" in parts:
        numbers["static_articles_speedup"] = parts["articles"]["speedup"]["encoder"]["ratio"]
        numbers["static_unseen_auc"] = mean_of["articles of unseen publishers"][STATIC]["roc_auc"]
    machine = describe_machine(["torch", "openvino", "scikit-learn", "scipy", "numpy"])
    raw["static"] = {**parts, "machine": machine}
    sizes = {name: rows for part in parts.values() for name, rows in part["rows"].items()}
    seeds = len(found["titles"][STATIC])
    lines = [
        "A student without an encoder beside model2vec's own classifier (from the same packaged encoder, its own settings), the int8"
        f" encoder and the linear model. Macro-F1 is at 0.5; on titles it is the mean over {seeds} training(s) of the first two. ROC AUC"
        " is the mean within the two corpora with both labels and texts.",
        "",
        f"| rows | number | macro-F1 {', '.join(KINDS)} | ROC AUC {', '.join(KINDS)} |",
        "| --- | ---: | --- | --- |",
        *(
            f"| {name} | {sizes[name]:,} | {_list(kinds, 'macro_f1', 4)} | {_list(kinds, 'roc_auc', 3)} |"
            for name, kinds in mean_of.items()
        ),
        "",
        "Rows per second at batch 32, scored in turns; ratios with 95 % intervals over the turns. Articles have 128 tokens at most"
        " for the encoder, and 300 words for the others. An encoder uses all"
        " cores and the others one, so a load from elsewhere slows it more.",
        "",
        "| rows | static | encoder | linear | static to encoder | static to linear | load |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        *(
            f"| {name} | {_speeds(part['rows_per_second'])} |"
            f" {_ratio(part['speedup']['encoder'])} | {_ratio(part['speedup']['linear'])} | {part['load']:.0f} |"
            for name, part in parts.items()
        ),
    ]
    write_results("throughput", numbers, raw, "Static student", lines)


def _list(kinds: Mapping[str, Mapping[str, float]], key: str, digits: int) -> str:
    return ", ".join(f"{kinds[kind][key]:.{digits}f}" for kind in KINDS)


def _speeds(rows_per_second: Mapping[str, float]) -> str:
    return " | ".join(f"{rows_per_second[kind]:,.0f}" for kind in (STATIC, "encoder", "linear"))


def _ratio(one: dict[str, float]) -> str:
    return f"{one['ratio']:.1f} ({one['low']:.1f} to {one['high']:.1f})"


if __name__ == "__main__":
    typer.run(main)
