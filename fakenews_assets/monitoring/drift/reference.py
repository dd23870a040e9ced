"""The drift reference: the test split of a model, with its predictions."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fakenews_assets.data.splits.splitting import seen_rows
from fakenews_assets.data.text.preparation import TextPreparation
from fakenews_assets.evaluation.evaluating import Evaluation
from fakenews_assets.evaluation.reports.reporting import PREDICTIONS_FILE, read_evaluation
from fakenews_assets.models.classifier import Embedder
from fakenews_assets.models.predictions import articles_of
from fakenews_assets.registry.bundle import PREPARE_FILE, Bundle, open_bundle
from fakenews_resources.storage.store import Store


@dataclass(frozen=True)
class Reference:
    """A served model and its test articles."""

    bundle: Bundle
    evaluation: Evaluation
    articles: pl.DataFrame
    """`title` and `text` as prepared, and `LABELLED_PREDICTION_SCHEMA`; a row per cluster of near-duplicates in the test
    split, since near-duplicates are not independent."""

    @classmethod
    def of(cls, store: Store, model_id: str) -> Self:
        """Collect what belongs to a bundle.

        Args:
            store: the graph's values.
            model_id: sha of the bundle.

        Raises:
            BundleError: see `open_bundle`.
            ValueMissing: its splits or its evaluation are no longer stored.
        """
        bundle = open_bundle(store.bundle(model_id))
        versions, judged = bundle.manifest.data_versions, f"evaluation/{bundle.manifest.candidate}"
        test = seen_rows(store.get("splits", versions["splits"]), "test").select(
            "title", "text", "cluster_id"
        )
        predictions = pl.scan_parquet(store.get(judged, versions[judged]).path / PREDICTIONS_FILE)
        return cls(
            bundle,
            read_evaluation(bundle.path),
            # Both are in the order of the test split; columns of one name, or other lengths, raise.
            pl.concat([test, predictions], how="horizontal")
            .unique("cluster_id", keep="first", maintain_order=True)
            .drop("cluster_id")
            .collect(),
        )

    def prepare(self, articles: pl.DataFrame) -> pl.DataFrame:
        """Articles as asked, with `title` and `text` as this model reads them."""
        text = TextPreparation.model_validate_json((self.bundle.path / PREPARE_FILE).read_bytes())
        prepared = text.apply(articles.select("title", pl.col("text").fill_null("")))
        return articles.with_columns(prepared["title"], prepared["text"])

    def embeddings(self, embedder: Embedder, rows: int, seed: int, cache: Path) -> NDArray[np.float32]:
        """Embeddings of test articles, computed once for each model.

        Args:
            embedder: this model.
            rows: how many, at most; drawn at random.
            seed: draws them.
            cache: folder that keeps them.

        Returns:
            Shape [rows, dimensions], in the order of `draw_rows`.
        """
        kept = cache / f"{self.bundle.sha}-{self.articles.height}-{rows}-{seed}.npy"
        if not kept.is_file():
            aside = kept.with_suffix(".part.npy")
            drawn = self.articles[draw_rows(self.articles.height, rows, seed)]
            np.save(aside, embedder.embed(articles_of(drawn)))
            aside.replace(kept)
        return np.load(kept)


def draw_rows(height: int, rows: int, seed: int) -> pl.Series:
    """Numbers of so many rows of a table at random, or of all of them."""
    return pl.arange(height, eager=True).sample(min(rows, height), seed=seed, shuffle=True)
