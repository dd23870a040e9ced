"""Detects drift between a window of traffic and the model's test split."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fakenews_assets.common.progress import report
from fakenews_assets.data.splits.clusters import cluster_articles
from fakenews_assets.data.splits.splitting import ClusteringSettings
from fakenews_assets.models.classifier import Embedder, Staged
from fakenews_assets.models.predictions import articles_of
from fakenews_assets.monitoring.drift.abstentions import compare_abstentions, compare_deferrals
from fakenews_assets.monitoring.drift.features import LOGGED_FEATURES, article_features
from fakenews_assets.monitoring.drift.reference import Reference, draw_rows
from fakenews_assets.monitoring.drift.two_sample import column_distances, domain_separation
from fakenews_assets.monitoring.drift.verdict import DriftVerdict, FeatureDrift
from fakenews_assets.monitoring.settings import DriftReportSettings, DriftSettings
from fakenews_assets.monitoring.windows import Window, select_window
from fakenews_assets.registry.bundle import load_bundled
from fakenews_resources.storage.store import Store

EMBEDDING: Final = "embedding"
"""The embedding feature: how well a classifier separates window and reference."""

_NO_TITLES: Final = (
    "The log holds no titles, so only probabilities were compared. Run the service with "
    "FAKENEWS_LOG_CONTENT=text to compare titles and embeddings as well."
)


@dataclass(frozen=True)
class Compared:
    """Reference and window in numbers: Float64 columns of `article_features`, and `embedding` if there are
    embeddings, null for articles that were not embedded."""

    reference: pl.DataFrame
    window: pl.DataFrame
    titles: tuple[pl.Series, pl.Series] | None
    """Prepared titles of both; None if the log holds none."""


def report_drift(
    store: Store, answers: pl.LazyFrame, settings: DriftReportSettings
) -> tuple[DriftVerdict, Compared | None]:
    """Compare the articles of a window with those that their model was evaluated on.

    Args:
        store: holds the model's bundle, its splits and its evaluation.
        answers: columns of `PREDICTION_LOG_SCHEMA`, in order of time; see `window_days`.
        settings: which of them are judged, and what counts as drift.

    Returns:
        The verdict, and the tables behind it; None where there are too few rows.

    Raises:
        BundleError, ValueMissing: see `Reference.of`.
        NoEmbedding: the model has no embeddings.
    """
    window = select_window(answers, settings)
    report(unit="articles", note=f"comparing {window.answers.height:,} articles")
    reference = Reference.of(store, window.model_id) if window.model_id else None
    return _judge(reference, window, settings, store.workspace("reference_embeddings"))


def _judge(
    reference: Reference | None, window: Window, settings: DriftReportSettings, cache: Path
) -> tuple[DriftVerdict, Compared | None]:
    answers, notes = window.answers, []
    titled = answers.filter(pl.col("title").is_not_null())
    with_titles = titled.height >= settings.min_rows
    if with_titles:
        if titled.height < window.answers.height:
            notes.append(f"{window.answers.height - titled.height} answers without a title were left out.")
        answers = without_near_duplicates(titled)
        if answers.height < titled.height:
            notes.append(
                f"{titled.height - answers.height} near-duplicates of other articles in the window were left out."
            )
    verdict = DriftVerdict(
        model_id=window.model_id,
        candidate=reference.bundle.manifest.candidate if reference else None,
        rows=answers.height,
        reference_rows=reference.articles.height if reference else 0,
        first=answers["time"].min() if answers.height else None,  # pyright: ignore[reportArgumentType]
        last=answers["time"].max() if answers.height else None,  # pyright: ignore[reportArgumentType]
        by_other_models=window.by_other_models,
        repeated=window.repeated,
        min_rows=settings.min_rows,
        features=(),
        notes=tuple(notes),
        data_note=reference.evaluation.note if reference else None,
    )
    if reference is None or answers.height < settings.min_rows:
        return verdict, None
    deferrals = None
    if with_titles:
        prepared, classifier = reference.prepare(answers), load_bundled(reference.bundle)
        compared, features = _compare_articles(reference, prepared, classifier, settings, cache)
        if isinstance(classifier.inner, Staged):
            stages = classifier.inner
            deferrals = compare_deferrals(
                stages.defers(articles_of(prepared)), stages.defers(articles_of(reference.articles)), settings
            )
    else:
        notes.append(_NO_TITLES)
        columns = pl.col(*LOGGED_FEATURES).cast(pl.Float64)
        compared = Compared(reference.articles.select(columns), answers.select(columns), None)
        features = _number_drifts(compared.reference, compared.window, settings, settings.level)
    found = {
        "features": tuple(features),
        "abstentions": compare_abstentions(answers, reference.articles, settings),
        "deferrals": deferrals,
        "notes": tuple(notes),
    }
    return verdict.model_copy(update=found), compared


def without_near_duplicates(articles: pl.DataFrame) -> pl.DataFrame:
    """The last article of each cluster of near-duplicates, in the same order.

    The tests take articles as independent. Copies of one story are not: a few stories in many copies would look like drift.

    Args:
        articles: columns `article_id`, `title` and `text`, which may be null.
    """
    batch = articles.select(
        "article_id",
        "title",
        "text",
        batch=pl.lit("window"),
        label=pl.lit(None, dtype=pl.Int8),
        source=pl.lit(None, dtype=pl.String),
    )
    clusters, _ = cluster_articles(batch, ["window"], ClusteringSettings())
    return (
        articles.with_columns(_cluster=clusters["cluster_id"])
        .unique("_cluster", keep="last", maintain_order=True)
        .drop("_cluster")
    )


def _compare_articles(
    reference: Reference,
    prepared: pl.DataFrame,
    embedder: Embedder,
    settings: DriftSettings,
    cache: Path,
) -> tuple[Compared, list[FeatureDrift]]:
    with_text = reference.bundle.reads_text
    numbers = (
        article_features(reference.articles, with_text=with_text),
        article_features(prepared, with_text=with_text),
    )
    known = reference.embeddings(embedder, settings.embedded_reference_rows, settings.seed, cache)
    known_rows = draw_rows(reference.articles.height, settings.embedded_reference_rows, settings.seed)
    asked_rows = draw_rows(prepared.height, settings.embedded_rows, settings.seed)
    asked = embedder.embed(articles_of(prepared[asked_rows]))
    features, scores = feature_drifts(*numbers, known, asked, settings)
    compared = Compared(
        _with_scores(numbers[0], known_rows, scores[: len(known)]),
        _with_scores(numbers[1], asked_rows, scores[len(known) :]),
        (reference.articles["title"], prepared["title"]),
    )
    return compared, features


def feature_drifts(
    reference: pl.DataFrame,
    window: pl.DataFrame,
    reference_embeddings: NDArray[np.float32],
    window_embeddings: NDArray[np.float32],
    settings: DriftSettings,
) -> tuple[list[FeatureDrift], NDArray[np.float64]]:
    """Compare two sets of articles by numbers and by embeddings.

    Args:
        reference: features of the reference articles, by `article_features`.
        window: the same for the window.
        reference_embeddings: shape [m, d], of all reference articles or of some.
        window_embeddings: shape [n, d].
        settings: what counts as drift.

    Returns:
        Every feature, the embedding first; and the score of each embedding by the classifier between the two,
        shape [m + n].
    """
    # Two tests share the level: the numbers, which are guarded jointly, and the embedding.
    separation = domain_separation(
        reference_embeddings,
        window_embeddings,
        permutations=settings.permutations,
        level=settings.level / 2,
        seed=settings.seed,
    )
    embedding = FeatureDrift(
        name=EMBEDDING,
        measure="auc",
        value=separation.auc,
        chance=separation.chance,
        relevant=settings.min_auc,
    )
    return [embedding, *_number_drifts(reference, window, settings, settings.level / 2)], separation.scores


def _number_drifts(
    reference: pl.DataFrame, window: pl.DataFrame, settings: DriftSettings, level: float
) -> list[FeatureDrift]:
    found = column_distances(
        reference.to_numpy(),
        window.to_numpy(),
        permutations=settings.permutations,
        level=level,
        seed=settings.seed,
    )
    return [
        FeatureDrift(
            name=name, measure="wasserstein", value=value, chance=chance, relevant=settings.min_distance
        )
        for name, value, chance in zip(
            window.columns, found.values.tolist(), found.chance.tolist(), strict=True
        )
    ]


def _with_scores(table: pl.DataFrame, rows: pl.Series, scores: NDArray[np.float64]) -> pl.DataFrame:
    """The table with a column `embedding` that holds scores in the rows named, and nulls elsewhere."""
    found = pl.DataFrame({"index": rows, EMBEDDING: scores}, schema_overrides={"index": pl.UInt32})
    return table.with_row_index().join(found, on="index", how="left", maintain_order="left").drop("index")
