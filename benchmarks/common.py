"""What the benchmarks share: the real news rows, the machine's description, and where results go."""

import json
import os
import platform
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl
import psutil

from fakenews_assets.data.cleaning.cleaning import CleaningLimits, clean_batch
from fakenews_assets.data.dedup.near_duplicates import NearDuplicateSettings, find_links
from fakenews_assets.data.splits.clusters import assign_clusters
from fakenews_assets.data.splits.splitting import SplitSettings, split_articles
from fakenews_assets.data.text.preparation import TextPreparation
from fakenews_assets.evaluation.metrics.speed import processor_name
from fakenews_assets.models.classifier import Classifier
from fakenews_assets.selection.bundling import git_commit
from fakenews_assets.training.finetuning.history import ProgressListener
from fakenews_assets.training.settings import FinetuneSettings
from fakenews_resources.processes import Server

if (
    TYPE_CHECKING
):  # its libraries take seconds to import; the data benchmark shares this module and must not carry torch
    from fakenews_assets.training.finetuning.result import FinetuneResult

ROOT: Final = Path(__file__).parents[1]
RESULTS: Final = ROOT / "benchmarks" / "results"
CACHE: Final = ROOT / "benchmarks" / ".cache"
"""Fine-tuned models, kept between benchmarks: one takes a quarter of an hour."""
REPORT: Final = ROOT / "benchmarks" / "results.md"
NEWS_VARIABLE: Final = "FAKENEWS_BENCH_NEWS"
SEED_WAY_TOKENS: Final = 25
"""To which the replaced system padded or cut every title."""
TITLE_RECIPE: Final = FinetuneSettings(inputs="title", learning_rate=8e-5)
"""Recipe of the benchmarks on titles: few rows of their news file have a text."""


@dataclass(frozen=True)
class NewsSplits:
    """The real rows, cleaned; near-duplicates never cross a split. Columns of ARTICLE_SCHEMA."""

    train: pl.DataFrame
    val: pl.DataFrame
    test: pl.DataFrame


def default_news_path() -> Path:
    """The news file to measure on, from the environment or beside the repository."""
    return Path(os.environ.get(NEWS_VARIABLE, ROOT / "../shared/data/news_sample.csv.gz"))


def load_news(path: Path) -> NewsSplits:
    """Clean, cluster and split a news file with the project's own defaults, as one batch.

    Raises:
        FileNotFoundError: there is no such file; the message names the variable to set.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no news file; set {NEWS_VARIABLE} to one with WELFake's columns")
    with tempfile.TemporaryDirectory() as folder:
        clean_batch(
            [path],
            "news",
            Path(folder),
            preparation=TextPreparation(),
            limits=CleaningLimits(max_reject_share=0.2),
        )
        articles = pl.read_parquet(f"{folder}/articles-*.parquet")
    config = SplitSettings()
    clusters = assign_clusters(articles, find_links(articles, NearDuplicateSettings()), ["news"], config)
    splits = split_articles(articles, clusters).splits
    return NewsSplits(*(splits[split].collect() for split in ("train", "val", "test")))


def finetuned(
    news: NewsSplits, settings: FinetuneSettings, on_progress: ProgressListener | None = None
) -> "tuple[FinetuneResult, Path]":
    """Fine-tune on the news rows, or take the model of an earlier benchmark with the same rows and settings.

    Returns:
        What the run did, and the classifier's folder.
    """
    from fakenews_assets.training.finetuning.finetuning import finetune
    from fakenews_assets.training.finetuning.result import FinetuneResult

    rows = [frame.select("title", "text", "label").hash_rows().sum() for frame in (news.train, news.val)]
    identity = sha256(f"{settings.model_dump_json()}{rows}{version('torch')}".encode()).hexdigest()[:16]
    folder = CACHE / f"finetuned-{identity}"
    record = folder / "model" / "training.json"
    if not record.is_file():
        finetune(news.train, news.val, settings, folder / "model", folder / "work", on_progress)
    return FinetuneResult.model_validate_json(record.read_text()), folder / "model"


def macro_f1(classifier: Classifier, frame: pl.DataFrame) -> float:
    """Macro-F1 of a classifier on labelled articles."""
    from sklearn.metrics import f1_score

    from fakenews_assets.models.predictions import articles_of

    return float(
        f1_score(
            frame["label"].to_numpy(), classifier.predict(articles_of(frame)).predicted_label, average="macro"
        )
    )


def resident_mib(server: Server) -> float:
    """Memory of a server's process and all below it; pages that they share count for each."""
    total = 0
    top = psutil.Process(server.process.pid)
    for process in (top, *top.children(recursive=True)):
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:  # ended since
            continue
    return total / 2**20


def describe_machine(packages: Sequence[str]) -> dict[str, Any]:
    """Processor, cores and the versions that a figure depends on."""
    return {
        "processor": processor_name(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "commit": git_commit() or "unknown",
        "versions": {package: version(package) for package in packages},
    }


def stored_results(area: str) -> tuple[dict[str, float], dict[str, Any]]:
    """Keys and raw figures that `write_results` has stored, for an area that several benchmarks write; empty: none yet."""
    file = RESULTS / f"{area}.json"
    stored: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {}
    return {name: value for name, value in stored.items() if name != "raw"}, stored.get("raw", {})


def write_results(
    area: str, numbers: Mapping[str, float], raw: Mapping[str, Any], title: str, lines: Sequence[str]
) -> None:
    """Store one area's results for machines and for people.

    Args:
        area: names `results/<area>.json`.
        numbers: its keys, all plain numbers.
        raw: raw figures and the machine, stored below `raw`.
        title: heading of the area's section in results.md.
        lines: Markdown body of that section; a section of the same title is replaced.
    """
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{area}.json").write_text(json.dumps({**numbers, "raw": raw}, indent=2) + "\n")
    section = f"## {title}\n\n" + "\n".join(lines) + "\n"
    report = REPORT.read_text() if REPORT.is_file() else "# Benchmark results\n"
    parts = re.split(r"(?m)^(?=## )", report)
    places = [place for place, part in enumerate(parts) if part.startswith(f"## {title}\n")] or [len(parts)]
    parts[places[0] : places[0] + 1] = [section]
    REPORT.write_text("\n\n".join(part.strip() for part in parts) + "\n")


def logged_ids(log: Path) -> Iterator[str]:
    """Request ids of a prediction log."""
    for file in log.rglob("predictions-*.jsonl"):
        with file.open(encoding="utf-8") as lines:
            yield from (json.loads(line)["request_id"] for line in lines)
