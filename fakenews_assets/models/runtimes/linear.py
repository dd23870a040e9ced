"""TF-IDF and logistic regression: the baseline that every encoder is compared with."""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from scipy.sparse import csr_matrix, hstack
from scipy.special import expit
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.random_projection import SparseRandomProjection

from fakenews_assets.common import progress
from fakenews_assets.models.classifier import Article, Predictions
from fakenews_assets.models.runtimes.style import Standardization, style_features
from fakenews_assets.models.settings import BaselineSettings, Terms

_SETTINGS_FILE: Final = "baseline.json"
_VOCABULARY_FILE: Final = "vocabulary.json"
_ARRAYS_FILE: Final = "baseline.safetensors"

_TOKENS: Final[dict[Terms, str]] = {"words": r"\b\w\w+\b", "words_and_punctuation": r"\w+|[^\w\s]"}
_CHARACTER_RUNS: Final = (3, 5)
_CHARS_PER_WORD: Final = 50
"""At which a text is cut too: signs without a blank are one word of any length. Real texts have a quarter of them."""

_WEIGHTS: Final = (0.5, 4.0)
"""Bounds of the mean weight within a label of a batch, so that a batch of few articles does not outweigh the others."""

_DIMENSIONS: Final = 256
"""Of the embedding."""


class BaselineClassifier:
    """Logistic regression on sub-linear TF-IDF of words and signs, or of runs of characters, and on style.

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
        style: Standardization | None = None,
    ) -> None:
        """Assemble a classifier.

        Args:
            settings: as fitted.
            terms: vocabulary, in the order of the arrays.
            idf: inverse document frequency, shape [terms].
            weights: evidence for fake, shape [terms + style features].
            intercept: log odds of fake without any known term, of average style.
            style: of the style features; None: there are none.
        """
        self.settings = settings
        self.terms = list(terms)
        self.weights = weights
        self.intercept = intercept
        self.style = style
        self._vectorizer = _vectorizer(settings, vocabulary={term: index for index, term in enumerate(terms)})
        self._vectorizer.idf_ = idf

    def predict(self, articles: Sequence[Article]) -> Predictions:
        """Predict articles; P(fake) is the logistic function of the log odds."""
        odds = self.log_odds(articles)
        progress.advance(len(articles))
        return Predictions.from_probability(expit(odds), truncated=self.truncated(articles))

    def truncated(self, articles: Sequence[Article]) -> NDArray[np.bool_]:
        """Whether an article is longer than what the model reads of it, shape [n]."""
        words = self.settings.max_words
        longer = [
            self.settings.inputs != "title"
            and (len(one.text) > _CHARS_PER_WORD * words or len(one.text.split(maxsplit=words)) > words)
            for one in articles
        ]
        return np.array(longer, dtype=np.bool_)

    def log_odds(self, articles: Sequence[Article]) -> NDArray[np.float64]:
        """Log odds of fake, shape [n]."""
        if not articles:
            return np.zeros(0)
        terms = self._vectorizer.transform(_documents(articles, self.settings))
        odds = terms @ self.weights[: len(self.terms)] + self.intercept
        if self.style is not None:
            style = self.style.apply(_style_features(articles, self.settings))
            odds += self.settings.style * style @ self.weights[len(self.terms) :]
        return odds

    def embed(self, articles: Sequence[Article]) -> NDArray[np.float32]:
        """TF-IDF features in 256 dimensions, as `Embedder` says.

        A fixed random projection nearly keeps distances (Johnson and Lindenstrauss, 1984); a very sparse one
        suffices (Li, Hastie and Church, "Very Sparse Random Projections", KDD 2006).
        """
        if not articles:
            return np.zeros((0, 0), dtype=np.float32)
        features = self._vectorizer.transform(_documents(articles, self.settings))
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
        if self.style is not None:
            arrays |= {"style_mean": self.style.mean, "style_deviation": self.style.deviation}
        save_file(arrays, folder / _ARRAYS_FILE)

    @classmethod
    def load(cls, folder: Path) -> "BaselineClassifier":
        """Load what `save` wrote."""
        arrays = load_file(folder / _ARRAYS_FILE)
        style = None
        if "style_mean" in arrays:
            style = Standardization(arrays["style_mean"], arrays["style_deviation"])
        return cls(
            BaselineSettings.model_validate_json((folder / _SETTINGS_FILE).read_text()),
            json.loads((folder / _VOCABULARY_FILE).read_text()),
            arrays["idf"],
            arrays["weights"],
            float(arrays["intercept"][0]),
            style,
        )


def fit_baseline(train: pl.DataFrame, settings: BaselineSettings) -> BaselineClassifier:
    """Fit on labelled articles.

    Args:
        train: columns `title`, `text` and `label` (0 real, 1 fake), no nulls, already cleaned. Several batches are
            told apart by the column `batch`, publishers by `source`. Of a publisher's quality tells `rating`, from 0 to
            1, null where it is not known.
        settings: settings of the model.

    Raises:
        ValueError: one label only, or no term common enough.
    """
    return next(fit_baselines(train, [settings]))


def fit_baselines(train: pl.DataFrame, settings: Iterable[BaselineSettings]) -> Iterator[BaselineClassifier]:
    """Fit one classifier for each setting, as `fit_baseline` does.

    TF-IDF takes most of the time. It is computed once for neighbours that differ in C alone.
    """
    articles = [Article(title, text) for title, text in train.select("title", "text").iter_rows()]
    labels, weights = train.get_column("label").to_numpy(), _weights(train)
    ratings = train["rating"].to_numpy() if "rating" in train.columns else np.full(len(labels), np.nan)
    for _, alike in groupby(settings, lambda one: one.model_copy(update={"inverse_regularization": 1})):
        group = list(alike)
        vectorizer = _vectorizer(group[0])
        features = csr_matrix(vectorizer.fit_transform(_documents(articles, group[0])))
        terms = vectorizer.get_feature_names_out().tolist()
        style = None
        if group[0].style:
            of_articles = _style_features(articles, group[0])
            style = Standardization.fit(of_articles)
            features = csr_matrix(hstack([features, csr_matrix(group[0].style * style.apply(of_articles))]))
        for one in group:
            weighted = weights if one.balance_batches else np.ones(len(labels))
            rated = (1 - one.rating_share) * labels + one.rating_share * (1 - ratings)
            targets = np.where(np.isnan(ratings), labels, rated)
            regression = _fit(features, targets, weighted, one.inverse_regularization)
            yield BaselineClassifier(
                one,
                terms,
                np.asarray(vectorizer.idf_, dtype=np.float64),
                np.asarray(regression.coef_)[0],
                float(np.asarray(regression.intercept_)[0]) + _prior_shift(labels, targets, weighted),
                style,
            )


def _weights(train: pl.DataFrame) -> NDArray[np.float64]:
    """Weight of each article; equal ones where neither publishers nor batches are known."""
    kind = ["batch", "label"] if "batch" in train.columns else ["label"]
    weights = np.ones(train.height)
    if "source" in train.columns:
        of_publisher = pl.when(pl.col("source").is_not_null()).then(pl.len().over(*kind, "source") ** -0.5)
        mean_one = of_publisher / of_publisher.mean().over(kind)
        weights *= train.select(mean_one.fill_null(1.0)).to_series().to_numpy()
    if "batch" in train.columns and train["batch"].n_unique() > 1:
        of_its_kind = train.select(pl.len().over(kind)).to_series()
        weights *= (train.height / train.select(kind).n_unique() / of_its_kind).clip(*_WEIGHTS).to_numpy()
    return weights


def _fit(
    features: csr_matrix, targets: NDArray[np.float64], weights: NDArray[np.float64], c: float
) -> LogisticRegression:
    """Logistic regression on probabilities of fake: an article counts as fake by its target, and as real by the rest."""
    fake, real = np.flatnonzero(targets > 0), np.flatnonzero(targets < 1)
    rows = np.concatenate([fake, real])
    return LogisticRegression(C=c, max_iter=1000).fit(
        features[rows],
        np.repeat([1, 0], [len(fake), len(real)]),
        sample_weight=np.concatenate([(weights * targets)[fake], (weights * (1 - targets))[real]]),
    )


def _prior_shift(
    labels: NDArray[np.int8], targets: NDArray[np.float64], weights: NDArray[np.float64]
) -> float:
    """What leads from the log odds of the weighted targets to those of the articles' labels.

    King and Zeng, "Logistic Regression in Rare Events Data", Political Analysis 9(2), 2001, section 4.1.
    """
    fake = labels == 1
    return float(np.log(fake.sum() / (~fake).sum()) - np.log(weights @ targets / (weights @ (1 - targets))))


def _vectorizer(settings: BaselineSettings, vocabulary: dict[str, int] | None = None) -> TfidfVectorizer:
    within_words = settings.terms == "characters"
    return TfidfVectorizer(
        lowercase=settings.lowercase,
        analyzer="char_wb" if within_words else "word",
        token_pattern=None if within_words else _TOKENS[settings.terms],  # pyright: ignore[reportArgumentType] - as documented
        ngram_range=_CHARACTER_RUNS if within_words else (1, settings.longest_run),
        sublinear_tf=True,
        # With a vocabulary the frequency limits are not looked at.
        min_df=settings.min_articles,
        max_features=settings.max_features,
        vocabulary=vocabulary,
    )


def _documents(articles: Iterable[Article], settings: BaselineSettings) -> list[str]:
    if settings.inputs == "title":
        return [article.title for article in articles]
    return [f"{article.title}\n{_beginning(article.text, settings.max_words)}" for article in articles]


def _style_features(articles: Sequence[Article], settings: BaselineSettings) -> NDArray[np.float64]:
    """Of the title and, if it is read, of the text; shape [articles, features]."""
    fields = [[article.title for article in articles]]
    if settings.inputs != "title":
        fields.append([_beginning(article.text, settings.max_words) for article in articles])
    if settings.lowercase:
        fields = [[line.lower() for line in lines] for lines in fields]
    return np.hstack([style_features(lines) for lines in fields])


def _beginning(text: str, words: int) -> str:
    return " ".join(text[: _CHARS_PER_WORD * words].split(maxsplit=words)[:words])
