"""Scores raw articles with a bundle. The service and batch scoring share it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import ValidationError

from fakenews_assets.data.schema import article_id
from fakenews_assets.data.text.preparation import TextPreparation
from fakenews_assets.models.calibration import CalibratedClassifier
from fakenews_assets.models.classifier import Article, Predictions
from fakenews_assets.registry.bundle import (
    PREPARE_FILE,
    Bundle,
    BundleOutdated,
    load_bundled,
    missing_parts,
    open_bundle,
)


@dataclass(frozen=True, slots=True)
class Scores:
    """Answers in the order asked."""

    predictions: Predictions
    article_ids: list[str]
    """Of the prepared articles, as `clean_news` names them; shape [n]."""


class Scorer:
    """A loaded bundle: prepares texts like the training rows, predicts, calibrates. Thread-safe."""

    def __init__(
        self, bundle: Bundle, preparation: TextPreparation, classifier: CalibratedClassifier
    ) -> None:
        self.bundle = bundle
        self.preparation = preparation
        self.classifier = classifier

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Verify a bundle and load its model.

        Raises:
            BundleError: see `open_bundle`.
            BundleOutdated: it lacks what this version needs, or this version prepares texts otherwise.
        """
        bundle = open_bundle(folder)
        if missing := missing_parts(folder):
            raise BundleOutdated(
                f"Bundle {bundle.sha} was made by another version of this program: it lacks {', '.join(missing)}. Select again"
                " with this one, or serve it with the version that made it."
            )
        try:
            preparation = TextPreparation.model_validate_json((folder / PREPARE_FILE).read_bytes())
        except ValidationError as error:
            raise BundleOutdated(
                f"Bundle {bundle.sha} was made by another version of this program, which prepared texts otherwise. Train and"
                " select again with this one, or serve it with the version that made it."
            ) from error
        return cls(bundle, preparation, load_bundled(bundle))

    @property
    def model_id(self) -> str:
        """The bundle's sha."""
        return self.bundle.sha

    def score(self, articles: Sequence[Article]) -> Scores:
        """Predict raw articles.

        Args:
            articles: not prepared yet; an empty text means that there is none.
        """
        return self.score_prepared(self.prepare(articles))

    def prepare(self, articles: Sequence[Article]) -> list[Article]:
        """Prepare raw articles for `score_prepared`. A call costs more than the work at a few titles."""
        return prepared(self.preparation, articles)

    def score_prepared(self, articles: Sequence[Article]) -> Scores:
        """Predict articles of `prepare`."""
        article_ids = [article_id(one.title, one.text) for one in articles]
        return Scores(self.classifier.predict(articles), article_ids)

    def ood_score(self, articles: Sequence[Article]) -> NDArray[np.float64]:
        """Out-of-distribution scores of raw articles; above 1 they are out of distribution."""
        return self.classifier.ood_score(self.prepare(articles))


def prepared(preparation: TextPreparation, articles: Sequence[Article]) -> list[Article]:
    """Prepare raw articles like the training rows."""
    table = pl.DataFrame(
        {"title": [one.title for one in articles], "text": [one.text for one in articles]},
        schema={"title": pl.String, "text": pl.String},
    )
    return [Article(title, text) for title, text in preparation.apply(table).iter_rows()]
