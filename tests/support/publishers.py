"""Generated articles of publishers that a model has not seen, with its predictions."""

import numpy as np
import polars as pl

from fakenews_assets.data.schema import ARTICLE_SCHEMA
from fakenews_assets.models.predictions import LABELLED_PREDICTION_SCHEMA

Drawn = tuple[pl.DataFrame, pl.DataFrame]


def draw_publishers(
    publishers: int = 20, rows: int = 30, *, batch: str = "b", spread: float = 1.0, seed: int = 0
) -> Drawn:
    """Articles of publishers of one label each, whose scores differ more between publishers than within one."""
    generator = np.random.default_rng(seed)
    fake = np.repeat(np.arange(publishers) % 2, rows)
    score = (
        fake + np.repeat(generator.normal(0, spread, publishers), rows) + generator.normal(0, 1, fake.size)
    )
    probability = 1 / (1 + np.exp(0.5 - score))
    articles = pl.DataFrame(
        {
            "article_id": [f"{batch}{row}" for row in range(fake.size)],
            "title": "a title",
            "text": "a text",
            "label": fake,
            "source": np.repeat([f"site{number}.example" for number in range(publishers)], rows),
            "group": np.repeat([("left", "right")[number // 2 % 2] for number in range(publishers)], rows),
            "batch": batch,
        },
        schema_overrides={"label": pl.Int8},
    ).with_columns(published_at=pl.lit(None, ARTICLE_SCHEMA["published_at"]))
    predictions = pl.DataFrame(
        {
            "article_id": articles["article_id"],
            "probability": probability,
            "predicted_label": probability >= 0.5,
            "abstained": np.abs(probability - 0.5) < 0.1,
            "out_of_distribution": False,
            "true_label": fake,
        }
    ).cast(LABELLED_PREDICTION_SCHEMA)
    return articles, predictions.select(LABELLED_PREDICTION_SCHEMA.names())
