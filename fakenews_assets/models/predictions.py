"""Tables of predictions."""

from typing import Final

import polars as pl

from fakenews_assets.models.articles import articles_of
from fakenews_assets.models.classifier import Classifier

PREDICTION_SCHEMA: Final = pl.Schema(
    {
        "article_id": pl.String,
        "label": pl.Int8,
        "probability": pl.Float64,
        "predicted": pl.Int8,
        "abstained": pl.Boolean,
        "out_of_distribution": pl.Boolean,
    }
)
"""Columns of a prediction table: what the article is, the probability of fake, the label at the threshold,
whether the classifier declined to answer, and whether it did so because the article is unlike what it learnt from."""

_ROWS_AT_ONCE: Final = 4096


def predict_table(classifier: Classifier, articles: pl.DataFrame) -> pl.DataFrame:
    """Predict every row, a few thousand at a time, into a table of `PREDICTION_SCHEMA`."""
    parts = []
    for part in articles.iter_slices(_ROWS_AT_ONCE):
        answers = classifier.predict(articles_of(part))
        parts.append(
            part.select("article_id", "label").with_columns(
                probability=pl.Series(answers.probability, dtype=pl.Float64),
                predicted=pl.Series(answers.label, dtype=pl.Int8),
                abstained=pl.Series(answers.abstained, dtype=pl.Boolean),
                out_of_distribution=pl.Series(answers.out_of_distribution, dtype=pl.Boolean),
            )
        )
    return pl.concat(parts).select(PREDICTION_SCHEMA.names()).cast(dict(PREDICTION_SCHEMA))
