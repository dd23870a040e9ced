import json

import numpy as np
import polars as pl

from fakenews_assets.models.classifier import Predictions
from fakenews_assets.models.predictions import (
    PREDICTION_SCHEMA,
    prediction_records,
    prediction_table,
    with_headlines,
)

ANSWERS = Predictions(
    probability=np.array([0.1, 0.9, 0.5], np.float32),
    predicted_label=np.array([0, 1, 1], np.int8),
    abstained=np.array([False, True, True]),
    out_of_distribution=np.array([False, False, True]),
)


def test_a_table_and_records_say_the_same_of_each_article():
    table, records = prediction_table(list("abc"), ANSWERS), prediction_records(list("abc"), ANSWERS)
    assert table.schema == PREDICTION_SCHEMA
    assert table.to_dicts() == records
    assert list(records[2].values()) == ["c", 0.5, 1, True, True]
    assert json.loads(json.dumps(records)) == records


def test_no_article_is_an_empty_table():
    nothing = ANSWERS.part(slice(0))
    assert prediction_table([], nothing).equals(PREDICTION_SCHEMA.to_frame())
    assert prediction_records([], nothing) == []


def test_every_text_is_also_left_out_once():
    table = pl.DataFrame({"title": ["a", "b"], "text": ["x", ""], "label": [0, 1]})
    assert with_headlines(table).rows() == [("a", "x", 0), ("b", "", 1), ("a", "", 0)]
