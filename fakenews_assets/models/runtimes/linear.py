"""TF-IDF and logistic regression: the baseline that every encoder is compared with."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from scipy.special import expit
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.random_projection import SparseRandomProjection

from fakenews_assets.common import progress
from fakenews_assets.models.classifier import Article, Predictions
from fakenews_assets.models.settings import BaselineSettings, Inputs

_SETTINGS_FILE: Final = "baseline.json"
_VOCABULARY_FILE: Final = "vocabulary.json"
_ARRAYS_FILE: Final = "baseline.safetensors"

_DIMENSIONS: Final = 256
"""Of the embedding."""


class BaselineClassifier:
    """Logistic regression on sub-linear TF-IDF of lower-cased words and word pairs.

    It is stored without pickles. A fitted and a loaded classifier give identical predictions.
    """

    name = "baseline"

    def __init__(
        self,
        settings: BaselineSettings,
        terms: Sequence[str],
        idf: NDArray[np.float64],
        weights: NDArray[np.float64],
        intercept: float,
    ) -> None:
        """Assemble a classifier.

        Args:
            settings: as fitted.
            terms: vocabulary, in the order of the arrays.
            idf: inverse document frequency, shape [terms].
            weights: evidence for fake, shape [terms].
            intercept: log odds of fake without any known term.
        """
        self.settings = settings
        self.terms = list(terms)
        self.weights = weights
        self.intercept = intercept
        self._vectorizer = _vectorizer(settings, vocabulary={term: index for index, term in enumerate(terms)})
        self._vectorizer.idf_ = idf

    def predict(self, articles: Sequence[Article]) -> Predictions:
        """Predict articles; P(fake) is the logistic function of the linear score."""
        if not articles:
            return Predictions.from_probability(np.zeros(0))
        features = self._vectorizer.transform(_documents(articles, self.settings.inputs))
        progress.advance(len(articles))
        return Predictions.from_probability(expit(features @ self.weights + self.intercept))

    def embed(self, articles: Sequence[Article]) -> NDArray[np.float32]:
        """TF-IDF features in 256 dimensions, as `Embedder` says.

        A fixed random projection nearly keeps distances (Johnson and Lindenstrauss, 1984); a very sparse one
        suffices (Li, Hastie and Church, "Very Sparse Random Projections", KDD 2006).
        """
        if not articles:
            return np.zeros((0, 0), dtype=np.float32)
        features = self._vectorizer.transform(_documents(articles, self.settings.inputs))
        # Fitting looks at the number of terms only, so that the seed fixes the projection.
        projection = SparseRandomProjection(
            _DIMENSIONS,  # pyright: ignore[reportArgumentType] - its default is a string
            dense_output=True,
            random_state=0,
        )
        return projection.fit_transform(features).astype(np.float32)

    def save(self, folder: Path) -> None:
        """Write baseline.json, vocabulary.json and baseline.safetensors."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _SETTINGS_FILE).write_text(self.settings.model_dump_json(indent=2) + "\n")
        (folder / _VOCABULARY_FILE).write_text(json.dumps(self.terms, ensure_ascii=False))
        arrays = {
            "idf": self._vectorizer.idf_,
            "weights": self.weights,
            "intercept": np.array([self.intercept]),
        }
        save_file(arrays, folder / _ARRAYS_FILE)

    @classmethod
    def load(cls, folder: Path) -> "BaselineClassifier":
        """Load what `save` wrote."""
        arrays = load_file(folder / _ARRAYS_FILE)
        return cls(
            BaselineSettings.model_validate_json((folder / _SETTINGS_FILE).read_text()),
            json.loads((folder / _VOCABULARY_FILE).read_text()),
            arrays["idf"],
            arrays["weights"],
            float(arrays["intercept"][0]),
        )


def fit_baseline(train: pl.DataFrame, settings: BaselineSettings) -> BaselineClassifier:
    """Fit on labelled articles.

    Args:
        train: columns `title`, `text` and `label` (0 real, 1 fake), no nulls, already cleaned.
        settings: settings of the model.

    Raises:
        ValueError: one label only, or no term common enough.
    """
    articles = [Article(title, text) for title, text in train.select("title", "text").iter_rows()]
    vectorizer = _vectorizer(settings)
    features = vectorizer.fit_transform(_documents(articles, settings.inputs))
    regression = LogisticRegression(C=settings.inverse_regularization, max_iter=1000)
    regression.fit(features, train.get_column("label").to_numpy())
    return BaselineClassifier(
        settings,
        vectorizer.get_feature_names_out().tolist(),
        np.asarray(vectorizer.idf_, dtype=np.float64),
        np.asarray(regression.coef_)[0],
        float(np.asarray(regression.intercept_)[0]),
    )


def _vectorizer(settings: BaselineSettings, vocabulary: dict[str, int] | None = None) -> TfidfVectorizer:
    # With a vocabulary the frequency limits are not looked at.
    return TfidfVectorizer(
        lowercase=True,
        ngram_range=(1, 2),
        sublinear_tf=True,
        min_df=settings.min_articles,
        max_features=settings.max_features,
        vocabulary=vocabulary,
    )


def _documents(articles: Sequence[Article], inputs: Inputs) -> list[str]:
    if inputs == "title":
        return [article.title for article in articles]
    return [f"{article.title}\n{article.text}" for article in articles]
