"""The record of a prediction: what the service's log, batch predictions and evaluations share."""

from collections.abc import Sequence
from typing import Any, Final

import polars as pl

from fakenews_assets.models.classifier import Article, Classifier, Predictions

PREDICTION_SCHEMA: Final = pl.Schema(
    {
        "article_id": pl.String,
        "probability": pl.Float64,
        "predicted_label": pl.Int8,
        "abstained": pl.Boolean,
        "out_of_distribution": pl.Boolean,
    }
)
"""What every table of predictions says of an article: the probability of fake, the label at the model's threshold (also
where the model abstains), whether it abstains, and whether it does so because the article is out of distribution."""

LABELLED_PREDICTION_SCHEMA: Final = pl.Schema({**PREDICTION_SCHEMA, "true_label": pl.Int8})
"""A prediction beside the article's true label, which is null where it is not known."""

BATCH_PREDICTION_SCHEMA: Final = pl.Schema({**LABELLED_PREDICTION_SCHEMA, "model_id": pl.String})
"""Columns of `batch_predictions`, one row per article and in the same order. `model_id` is the bundle's sha."""

_PREDICTED: Final = PREDICTION_SCHEMA.names()[1:]
_ROWS_AT_ONCE: Final = 4096


def articles_of(table: pl.DataFrame) -> list[Article]:
    """The rows of a table as articles; a missing text becomes empty."""
    rows = table.select("title", pl.col("text").fill_null("")).iter_rows()
    return [Article(title=title, text=text) for title, text in rows]


def with_headlines(table: pl.DataFrame) -> pl.DataFrame:
    """The rows of a table, then those that have a text once more without it: a model serves both."""
    return pl.concat([table, table.filter(pl.col("text") != "").with_columns(text=pl.lit(""))])


def prediction_table(article_ids: Sequence[str] | pl.Series, predictions: Predictions) -> pl.DataFrame:
    """Predictions as a table of `PREDICTION_SCHEMA`, in the same order."""
    columns = {"article_id": article_ids, **{name: getattr(predictions, name) for name in _PREDICTED}}
    return pl.DataFrame(columns, schema=PREDICTION_SCHEMA)


def prediction_records(article_ids: Sequence[str], predictions: Predictions) -> list[dict[str, Any]]:
    """Predictions as one record per article, in the same order: keys of `PREDICTION_SCHEMA`, values for JSON."""
    columns = (article_ids, *(getattr(predictions, name).tolist() for name in _PREDICTED))
    return [dict(zip(PREDICTION_SCHEMA, row, strict=True)) for row in zip(*columns, strict=True)]


def predict_table(classifier: Classifier, articles: pl.DataFrame) -> pl.DataFrame:
    """Predict every row, a few thousand at a time.

    Args:
        classifier: the model.
        articles: columns `article_id`, `title`, `text` and `label`.

    Returns:
        A table of `LABELLED_PREDICTION_SCHEMA`.
    """
    return pl.concat(
        [
            LABELLED_PREDICTION_SCHEMA.to_frame(),
            *(
                prediction_table(part["article_id"], classifier.predict(articles_of(part))).with_columns(
                    true_label=part["label"].cast(pl.Int8)
                )
                for part in articles.iter_slices(_ROWS_AT_ONCE)
            ),
        ]
    )
