"""The metadata-only baselines behind the shortcut probes.

Each one is fitted on training rows and predicts the test rows. None reads a sentence, so a model can be as accurate
without reading either.
"""

from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fakenews_assets.data.text.names import Names

READ_CHARACTERS: Final = 1000
"""Of a text; a title is read whole."""

_PRIOR_ROWS: Final = 2.0
"""Rows of the usual mixture that are added to each source: one article proves little about its publisher."""
_SIGNS: Final = ("!", "?", '"', "'", ",", ".", ":", ";", "-", "(", "$", "%", "&", "#", "@", "*", "/", "...")

Forecast = NDArray[np.float64]
"""Probability of fake, shape (test rows,)."""


def style_forecast(train: pl.DataFrame, test: pl.DataFrame) -> Forecast:
    """Gradient boosting on `style_features`."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(random_state=0)
    model.fit(style_features(train).to_numpy(), train["label"].to_numpy())
    return model.predict_proba(style_features(test).to_numpy())[:, 1]


def style_features(articles: pl.DataFrame) -> pl.DataFrame:
    """Style features: lengths, capitals, digits and signs of the title and of the beginning of the text."""
    columns: list[pl.Expr] = []
    for field in ("title", "text"):
        line = pl.col(field).str.slice(0, READ_CHARACTERS)
        words, letters = line.str.count_matches(r"\S+"), line.str.count_matches(r"\p{L}")
        shares = {
            "capitals": line.str.count_matches(r"\p{Lu}") / letters,
            "capitalised words": line.str.count_matches(r"\b\p{Lu}") / words,
            "words of all capitals": line.str.count_matches(r"\b\p{Lu}{2,}\b") / words,
            "digits": line.str.count_matches(r"\p{N}") / line.str.len_chars(),
        }
        columns += [
            pl.col(field).str.len_chars().alias(f"{field} characters"),
            pl.col(field).str.count_matches(r"\S+").alias(f"{field} words"),
            *(share.fill_nan(0).alias(f"{field} {name}") for name, share in shares.items()),
            *(line.str.count_matches(sign, literal=True).alias(f"{field} {sign}") for sign in _SIGNS),
        ]
    return articles.select(column.cast(pl.Float64) for column in columns)


def source_forecast(train: pl.DataFrame, test: pl.DataFrame) -> Forecast | None:
    """Share of fakes that each source had among the training rows; None where fewer than two sources are known."""
    known = train.drop_nulls("source")
    if known["source"].n_unique() < 2:
        return None
    overall = float(train["label"].cast(pl.Float64).to_numpy().mean())
    shares = known.group_by("source").agg(
        forecast=(pl.col("label").sum() + _PRIOR_ROWS * overall) / (pl.len() + _PRIOR_ROWS)
    )
    joined = test.join(shares, on="source", how="left", maintain_order="left")
    return joined["forecast"].fill_null(overall).to_numpy()


def missing_text_forecast(train: pl.DataFrame, test: pl.DataFrame) -> Forecast | None:
    """Share of fakes among the training rows with and without a text; None where all have one or none has."""
    has_text = [(split["text"] != "").to_numpy() for split in (train, test)]
    return presence_forecast(has_text[0], train["label"].to_numpy(), has_text[1])


def presence_forecast(
    present: NDArray[np.bool_], labels: NDArray[np.int8], test_present: NDArray[np.bool_]
) -> Forecast | None:
    """Share of fakes among the training rows that have something, and among those that have not.

    None where all of them have it or none does.
    """
    if present.all() or not present.any():
        return None
    return np.where(test_present, labels[present].mean(), labels[~present].mean())


def words_forecast(train: pl.DataFrame, test: pl.DataFrame) -> Forecast | None:
    """The baseline's TF-IDF and logistic regression on titles and texts; None where no word is common enough."""
    from fakenews_assets.models.classifier import Article
    from fakenews_assets.models.runtimes.linear import fit_baseline
    from fakenews_assets.models.settings import BaselineSettings

    try:
        model = fit_baseline(train, BaselineSettings(style=0))
    except ValueError:  # no term common enough, as `fit_baseline` says
        return None
    articles = [Article(title, text) for title, text in test.select("title", "text").iter_rows()]
    return model.predict(articles).probability.astype(np.float64)


def beginnings(articles: pl.DataFrame) -> pl.DataFrame:
    """The same articles with their texts cut at `READ_CHARACTERS`."""
    return articles.with_columns(pl.col("text").fill_null("").str.slice(0, READ_CHARACTERS))


def names_only(articles: pl.DataFrame, names: Names) -> pl.DataFrame:
    """The same articles with nothing but their names."""
    return articles.with_columns(names.only(articles[field]) for field in ("title", "text"))


def names_masked(articles: pl.DataFrame, names: Names) -> pl.DataFrame:
    """The same articles with their names hidden."""
    return articles.with_columns(names.mask(articles[field]) for field in ("title", "text"))
