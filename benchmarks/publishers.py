"""Quality on publishers that no model was trained on: every publisher is held out once.

    python -m benchmarks.publishers [--news FILE] [--other FILE] [--ratings FILE] [--folds 4] [--max-tokens 128] [--epochs 2]

`--news` is a CSV file with the columns title, text, source, leaning, label and corpus; each corpus becomes a batch.
`--other` is a file in WELFake's columns, most of it of one pair of publishers. Its articles with a text are trained on as
a batch of their own; a model of its titles alone is the lower bar. The trained models are kept in `benchmarks/.cache`, so
that a killed run resumes.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import polars as pl
import typer
from rich.console import Console

from benchmarks.common import (
    ROOT,
    NewsSplits,
    default_news_path,
    describe_machine,
    finetuned,
    load_news,
    write_results,
)
from fakenews_assets.compression.quantization import make_variant
from fakenews_assets.compression.settings import QuantizationSettings
from fakenews_assets.data.cleaning.cleaning import CleaningLimits, clean_batch
from fakenews_assets.data.dedup.near_duplicates import NearDuplicateSettings, find_links
from fakenews_assets.data.ratings.reading import RatingsSettings, join_ratings, read_ratings
from fakenews_assets.data.schema import ARTICLE_SCHEMA
from fakenews_assets.data.splits.clusters import assign_clusters
from fakenews_assets.data.splits.splitting import SplitSettings, split_articles
from fakenews_assets.data.text.preparation import TextPreparation
from fakenews_assets.ensembling.assets import EnsembleSettings
from fakenews_assets.ensembling.ensemble import make_ensemble
from fakenews_assets.evaluation.unseen.parity import Parity
from fakenews_assets.evaluation.unseen.publishers import UnseenPublishers
from fakenews_assets.models.calibration import CalibratedClassifier
from fakenews_assets.models.calibration_fit import CalibrationSettings, fit_calibration
from fakenews_assets.models.classifier import Classifier
from fakenews_assets.models.predictions import LABELLED_PREDICTION_SCHEMA, articles_of, predict_table
from fakenews_assets.models.runtimes.ensemble import ENCODER_FOLDER
from fakenews_assets.models.runtimes.loading import load_classifier
from fakenews_assets.selection.timing import compare_speeds
from fakenews_assets.training.baseline import BaselineTuning, tune_baseline
from fakenews_assets.training.finetuning.history import Progress
from fakenews_assets.training.settings import FinetuneSettings

console = Console()

PUBLISHERS_VARIABLE: Final = "FAKENEWS_BENCH_PUBLISHERS"
RATINGS_VARIABLE: Final = "FAKENEWS_BENCH_RATINGS"
OTHER: Final = "other"
SELECTED: Final = "ensemble-finetuned-openvino-int8"
ISOT: Final = "finetuned on one pair of publishers"
_LONG_WORDS: Final = 250


@dataclass(frozen=True)
class Fold:
    """A part of the publishers is held out; the number is the seed of the training too."""

    number: int
    news: NewsSplits
    """`test`: the articles of the publishers that are held out."""


def default_publishers_path() -> Path:
    """The file of many publishers, from the environment or beside the repository."""
    return Path(os.environ.get(PUBLISHERS_VARIABLE, ROOT / "../shared/data/publishers_news.csv.gz"))


def load_ratings(path: Path | None) -> pl.DataFrame:
    """The table of publishers' ratings of a file; by default from the environment, or beside the repository."""
    named = os.environ.get(RATINGS_VARIABLE, ROOT / "../shared/data/source_ratings.csv.gz")
    return read_ratings([path or Path(named)], RatingsSettings()).table


def load_publishers(path: Path) -> tuple[pl.DataFrame, list[str]]:
    """Clean each corpus of the file as a batch.

    Returns:
        The articles, and the names of the batches in their order.

    Raises:
        FileNotFoundError: there is no such file; the message names the variable to set.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; set {PUBLISHERS_VARIABLE} to one of many publishers")
    rows = pl.read_csv(path, infer_schema=False)
    parts = rows.partition_by("corpus", as_dict=True, maintain_order=True)
    batches = {name: _clean(part, name) for (name,), part in parts.items()}
    return pl.concat(batches.values()), list(batches)


def with_other(articles: pl.DataFrame, batches: list[str], path: Path) -> tuple[pl.DataFrame, list[str]]:
    """Add the articles of another corpus that have a text, as the batch `OTHER`.

    Publishers are named as far as the file of their origins tells: Reuters wrote all that ISOT calls real, and Kaggle's
    titles end in the name of theirs. So they are held out together with what else these published.
    """
    origins = pl.read_csv(path.with_name(path.name.replace(".csv", "_sources.csv")), infer_schema=False)
    rows = pl.read_csv(path, infer_schema=False).rename({"": "serial"}).filter(pl.col("text") != "")
    named = rows.join(
        origins.select("serial", origin="source"), on="serial", maintain_order="left"
    ).with_columns(
        source=pl.when((pl.col("origin") == "isot") & (pl.col("label") == "0"))
        .then(pl.lit("reuters.com"))
        .when(pl.col("title").str.ends_with(" - The New York Times"))
        .then(pl.lit("nytimes.com"))
        .when(pl.col("title").str.ends_with(" - Breitbart"))
        .then(pl.lit("breitbart.com"))
    )
    other = _clean(named.select("title", "text", "label", "source"), OTHER)
    return pl.concat([articles, other]), [*batches, OTHER]


def _clean(rows: pl.DataFrame, batch: str) -> pl.DataFrame:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "corpus.csv"
        rows.write_csv(file)
        limits = CleaningLimits(max_reject_share=0.2)
        clean_batch([file], batch, Path(folder), preparation=TextPreparation(), limits=limits)
        return pl.read_parquet(f"{folder}/articles-*.parquet")


def divide(articles: pl.DataFrame, batches: list[str], folds: int, seed: int = 0) -> Iterator[Fold]:
    """Hold out each part of the publishers in turn; the seed decides which publishers are held out together."""
    # Hardly any row is kept for the splits that nothing reads here.
    settings = SplitSettings(train=0.88, val=0.10, selection=0.01, test=0.01, unseen_publishers=0)
    clusters = assign_clusters(articles, find_links(articles, NearDuplicateSettings()), batches, settings)
    splits = {name: rows.collect() for name, rows in split_articles(articles, clusters).splits.items()}
    rows = pl.concat(splits.values())
    fold_of = _folds_of_publishers(rows, folds, seed)
    for number in range(folds):
        unseen = rows.filter(pl.col("source").replace_strict(fold_of, default=None) == number)
        # A near-duplicate of a held-out article is not trained on either, whoever printed it.
        near = pl.col("cluster_id").is_in(unseen["cluster_id"].implode())
        yield Fold(number, NewsSplits(splits["train"].filter(~near), splits["val"].filter(~near), unseen))


def _folds_of_publishers(rows: pl.DataFrame, folds: int, seed: int) -> dict[str, int]:
    """The fold of each publisher.

    Of the largest publishers of a corpus and label each fold gets one, of the next as well, and so on. Drawn at random,
    folds are not alike: a few publishers wrote much of a corpus, and which of them are held out moves the score by more
    than any choice of a model does.
    """
    kinds = rows.drop_nulls("source").group_by("batch", "label", "source").len()
    publishers = kinds.sort("batch", "label", "len", "source", descending=[False, False, True, False])
    generator = np.random.default_rng(seed)
    fold_of: dict[str, int] = {}
    for _, kind in publishers.unique("source", keep="first", maintain_order=True).group_by(
        "batch", "label", maintain_order=True
    ):
        for alike in kind["source"].to_frame().iter_slices(folds):
            fold_of |= dict(zip(alike["source"], generator.permutation(folds).tolist(), strict=False))
    return fold_of


def candidates(
    news: NewsSplits, ratings: pl.DataFrame, settings: FinetuneSettings, folder: Path
) -> dict[str, Path]:
    """Train and export the candidates of one fold, by name."""
    made: dict[str, Path] = {}
    _, made["finetuned"] = finetuned(news, settings, report)
    made["baseline"] = folder / "baseline"
    tune_baseline(join_ratings(news.train, ratings), news.val, BaselineTuning()).classifier.save(
        made["baseline"]
    )
    made["finetuned-openvino-int8"] = folder / "int8"
    make_variant(
        made["finetuned"],
        "openvino-int8",
        news.train,
        news.val,
        QuantizationSettings(),
        made["finetuned-openvino-int8"],
    )
    for encoder in ("finetuned", "finetuned-openvino-int8"):
        name = f"ensemble-{encoder}"
        made[name] = folder / name
        weight = EnsembleSettings().linear_weight
        make_ensemble(made[encoder], made["baseline"], news.val, weight, made[name])
    return made


def judge(name: str, folder: Path, fold: Fold) -> pl.DataFrame:
    """The unseen articles with their calibrated predictions."""
    classifier = load_classifier(folder, name)
    val = predict_table(classifier, fold.news.val)
    labels, probabilities = val["true_label"].to_numpy(), val["probability"].to_numpy()
    calibration = fit_calibration(labels, probabilities, CalibrationSettings())
    predictions = predict_table(CalibratedClassifier(classifier, calibration, None), fold.news.test)
    # A pair of articles is compared within one corpus and one training.
    batch = pl.format("{}, fold {}", "batch", pl.lit(fold.number))
    return fold.news.test.with_columns(batch=batch, unseen_publisher=pl.lit(True)).hstack(
        predictions.drop("article_id")
    )


def time_lengths(ensemble: Path, unseen: pl.DataFrame, folder: Path) -> dict[str, float]:
    """Articles per second at batch 32, cut at 128 and at 256 tokens, in turns on the same long articles."""
    lengths: dict[str, Classifier] = {}
    for tokens in (128, 256):
        copied = shutil.copytree(ensemble, folder / str(tokens))
        encoding = copied / ENCODER_FOLDER / "encoding.json"
        encoding.write_text(json.dumps(json.loads(encoding.read_text()) | {"max_tokens": tokens}))
        lengths[str(tokens)] = load_classifier(copied)
    long = unseen.filter(pl.col("text").str.count_matches(" ") > _LONG_WORDS)
    return compare_speeds(lengths, articles_of(long.head(512))).rows_per_second


def report(progress: Progress) -> None:
    """Print validations as they come."""
    if point := progress.validation:
        console.print(
            f"  step {point.step}/{progress.total_steps}: validation loss {point.loss:.4f},"
            f" macro-F1 {point.macro_f1:.4f}, {progress.rows_per_second:.0f} rows/s"
        )


def main(
    news: Annotated[Path | None, typer.Option(help="Rows of many publishers.")] = None,
    other: Annotated[Path | None, typer.Option(help="Rows of another corpus, in WELFake's columns.")] = None,
    ratings: Annotated[Path | None, typer.Option(help="Table of publishers' ratings.")] = None,
    folds: Annotated[int, typer.Option(min=2, help="Parts of the publishers, and trainings.")] = 4,
    max_tokens: Annotated[
        int, typer.Option(help="Longest input. The default of the graph, 256, takes four times as long.")
    ] = 128,
    epochs: Annotated[int, typer.Option(min=1, help="Of each training.")] = 2,
) -> None:
    """Measure and write results/publishers.json."""
    more, rated = other or default_news_path(), load_ratings(ratings)
    articles, batches = with_other(*load_publishers(news or default_publishers_path()), more)
    settings = FinetuneSettings(max_tokens=max_tokens, epochs=epochs, evaluations_per_epoch=1)
    _, alone = train_on_few_publishers(more, settings)
    tables: dict[str, list[pl.DataFrame]] = {}
    raw: dict[str, Any] = {"settings": settings.model_dump(mode="json"), "rows": []}
    for fold in divide(articles, batches, folds):
        raw["rows"].append({"train": fold.news.train.height, "unseen": fold.news.test.height})
        console.print(f"fold {fold.number}: {raw['rows'][-1]}")
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            made = candidates(fold.news, rated, settings.model_copy(update={"seed": fold.number}), folder)
            for candidate, model in {**made, ISOT: alone}.items():
                tables.setdefault(candidate, []).append(judge(candidate, model, fold))
            raw["articles_per_second"] = time_lengths(made[SELECTED], fold.news.test, folder)
    raw["candidates"] = {name: scores(pl.concat(parts)) for name, parts in tables.items()}
    write(raw, folds)


def train_on_few_publishers(path: Path, settings: FinetuneSettings) -> tuple[NewsSplits, Path]:
    """A model of a third of these titles, and the rows: more take longer, and tell no more of other publishers."""
    news = load_news(path)
    third = NewsSplits(*(rows.gather_every(3) for rows in (news.train, news.val, news.test)))
    return third, finetuned(third, settings.model_copy(update={"inputs": "title"}), report)[1]


def scores(table: pl.DataFrame) -> dict[str, Any]:
    """Scores of one candidate over all folds."""
    articles = table.select(ARTICLE_SCHEMA.names())
    unseen = UnseenPublishers.of(articles, table.select(LABELLED_PREDICTION_SCHEMA.names()))
    parity = Parity.of(table)
    assert unseen is not None
    assert parity is not None
    return {
        **unseen.model_dump(mode="json", exclude={"publishers"}),
        "parity": parity.model_dump(mode="json"),
        "parity_gap_points": parity.gap_points,
    }


def write(raw: dict[str, Any], folds: int) -> None:
    """Write the figures of all candidates, those of the selected one as the keys."""
    found = raw["candidates"]
    chosen = found[SELECTED]
    loss = found["ensemble-finetuned"]["roc_auc"] - chosen["roc_auc"]
    numbers = {
        "unseen_auc": chosen["roc_auc"],
        "unseen_auc_low": chosen["roc_auc_interval"]["low"],
        "unseen_macro_f1": chosen["macro_f1"],
        "unseen_publisher_auc": chosen["publisher_roc_auc"],
        "finetuned_unseen_auc": found["finetuned"]["roc_auc"],
        "linear_unseen_auc": found["baseline"]["roc_auc"],
        "isot_only_auc": found[ISOT]["roc_auc"],
        "int8_auc_loss_points": 100 * loss,
        "parity_gap_pt": chosen["parity_gap_points"],
        "answered_share": chosen["answered_share"],
        "answered_precision_fake": chosen["precision_fake"],
        "answered_precision_real": chosen["precision_real"],
    }
    for name, value in numbers.items():
        console.print(f"{name}: {value:.4f}")
    raw["machine"] = describe_machine(["torch", "transformers", "openvino", "scikit-learn"])
    lines = [
        f"Title and text, {raw['settings']['max_tokens']} tokens; every publisher is held out once, in one of {folds} trainings"
        " with seeds of their own. ROC AUC is the mean of those within the two corpora with both labels and texts,"
        " within each training; its interval is over publishers. Calibrated and decided on validation articles of other publishers.",
        "",
        "| candidate | ROC AUC | interval | macro-F1 | ROC AUC of publishers | parity gap, points |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        *(
            f"| {name} | {one['roc_auc']:.3f} | {one['roc_auc_interval']['low']:.3f} to"
            f" {one['roc_auc_interval']['high']:.3f} | {one['macro_f1']:.3f} | {one['publisher_roc_auc']:.3f} |"
            f" {one['parity_gap_points']:.1f} |"
            for name, one in sorted(found.items(), key=lambda item: -item[1]["roc_auc"])
        ),
        "",
        f"`{SELECTED}` answers {chosen['answered_share']:.0%} of the articles; {chosen['precision_fake']:.0%} of its"
        f" answers `fake` and {chosen['precision_real']:.0%} of its answers `real` are right. What the"
        " calibration promises holds for publishers that were trained on; for these nothing is promised.",
        "",
        "| corpus and fold | articles | publishers | ROC AUC |",
        "| --- | ---: | ---: | ---: |",
        *(
            f"| {one['batch']} | {one['rows']:,} | {one['publishers']} | {one['roc_auc']:.3f} |"
            for one in chosen["batches"]
        ),
        "",
        "Long articles per second at batch 32, cut at so many tokens: "
        + ", ".join(f"{tokens}: {speed:,.0f}" for tokens, speed in raw["articles_per_second"].items())
        + f". {raw['machine']['processor']}, {raw['machine']['cores']} cores.",
    ]
    write_results("publishers", numbers, raw, "Unseen publishers", lines)


if __name__ == "__main__":
    typer.run(main)
