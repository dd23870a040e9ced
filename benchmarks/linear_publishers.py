"""The linear model on publishers that it was not trained on: what weights, another corpus, style and ratings change.

    python -m benchmarks.linear_publishers [--news FILE] [--other FILE] [--ratings FILE] [--partitions 3] [--folds 4]

The rows and the figure are those of `benchmarks.publishers`. Which publishers are held out together moves the score by
more than a recipe does, so that recipes are compared fold by fold. `--other` is a file in WELFake's columns: its articles
with a text are trained on as a batch of their own. Of its fakes it does not say who published them. `--ratings` is a table
of publishers' ratings, as `fakenews rate` takes it.
"""

from itertools import pairwise, product
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import polars as pl
import typer
from rich.console import Console

from benchmarks.common import default_news_path, describe_machine, write_results
from benchmarks.publishers import (
    OTHER,
    default_publishers_path,
    divide,
    load_publishers,
    load_ratings,
    with_other,
)
from fakenews_assets.data.ratings.reading import join_ratings
from fakenews_assets.evaluation.unseen.publishers import unseen_roc_auc
from fakenews_assets.models.predictions import articles_of
from fakenews_assets.models.runtimes.linear import fit_baseline
from fakenews_assets.models.settings import BaselineSettings

console = Console()

PUBLISHERS: Final = "and publishers by the root of their articles"
CORPUS: Final = "and another corpus"
STYLE: Final = "and style beside words"
RECIPE: Final = "and targets between label and rating"


def fold_scores(train: pl.DataFrame, unseen: pl.DataFrame) -> dict[str, float]:
    """ROC AUC on unseen articles, by how the model was trained; each is the one before it and one change."""
    unrated = train.drop("rating")
    first = unrated.filter(pl.col("batch") != OTHER)
    words = BaselineSettings(style=0)
    fits = {
        "batches and labels weigh alike": (first.drop("source"), words),
        PUBLISHERS: (first, words),
        CORPUS: (unrated, words),
        STYLE: (unrated, BaselineSettings()),
        RECIPE: (train, BaselineSettings()),
    }
    found: dict[str, float] = {}
    for name, (rows, settings) in fits.items():
        odds = fit_baseline(rows, settings).log_odds(articles_of(unseen))
        score = unseen_roc_auc(unseen, pl.Series(odds))
        assert score is not None
        found[name] = score
    return found


def main(
    news: Annotated[Path | None, typer.Option(help="Rows of many publishers.")] = None,
    other: Annotated[Path | None, typer.Option(help="Rows of another corpus, in WELFake's columns.")] = None,
    ratings: Annotated[Path | None, typer.Option(help="Table of publishers' ratings.")] = None,
    partitions: Annotated[int, typer.Option(min=1, help="Ways to divide the publishers.")] = 3,
    folds: Annotated[int, typer.Option(min=2, help="Parts of the publishers.")] = 4,
) -> None:
    """Measure and write results/linear_publishers.json."""
    named = load_publishers(news or default_publishers_path())
    articles, batches = with_other(*named, other or default_news_path())
    table = load_ratings(ratings)
    rows: list[dict[str, Any]] = []
    for seed in range(partitions):
        for fold in divide(articles, batches, folds, seed):
            scores = fold_scores(join_ratings(fold.news.train, table), fold.news.test)
            rows.append({"partition": seed, "fold": fold.number, "roc_auc": scores})
            console.print(rows[-1])
    write(rows)


def write(rows: list[dict[str, Any]]) -> None:
    """Write the scores, and the gain of each training over the one before it."""
    names = list(rows[0]["roc_auc"])
    scores = {name: np.array([row["roc_auc"][name] for row in rows]) for name in names}
    partitions = np.array([row["partition"] for row in rows])
    gains = {later: scores[later] - scores[first] for first, later in pairwise(names)}
    errors = {name: float(gain.std(ddof=1) / len(gain) ** 0.5) for name, gain in gains.items()}
    numbers = {
        "linear_unseen_auc": float(scores[RECIPE].mean()),
    }
    of_change = {"publisher_weights": PUBLISHERS, "other_corpus": CORPUS, "style": STYLE, "ratings": RECIPE}
    for key, name in of_change.items():
        numbers |= {f"{key}_gain": float(gains[name].mean()), f"{key}_gain_se": errors[name]}
    of = {
        (name, number): scores[name][partitions == number].mean()
        for name, number in product(names, np.unique(partitions))
    }
    gain_of = {
        name: f"{gain.mean():+.4f} ± {errors[name]:.4f}, {(gain > 0).sum()} of {len(gain)} folds"
        for name, gain in gains.items()
    }
    lines = [
        "Linear model (words, pairs and signs, case kept, C = 10), title and text. Each partition divides the publishers"
        " anew and holds each part out once. The gain is over the row above, fold by fold, with its standard error over"
        " folds; folds of one partition share training articles.",
        "",
        "| training |" + "".join(f" partition {n + 1} |" for n in np.unique(partitions)) + " gain |",
        "| --- |" + " ---: |" * (len(np.unique(partitions)) + 1),
        *(
            f"| {name} |"
            + "".join(f" {of[name, number]:.3f} |" for number in np.unique(partitions))
            + f" {gain_of.get(name, '')} |"
            for name in names
        ),
    ]
    raw = {"folds": rows, "machine": describe_machine(["scikit-learn"])}
    write_results("linear_publishers", numbers, raw, "Linear model on unseen publishers", lines)


if __name__ == "__main__":
    typer.run(main)
