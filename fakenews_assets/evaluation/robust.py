"""What a score does not show of a candidate: how it does without shortcuts, and how it behaves."""

import json
from pathlib import Path
from typing import Final

import polars as pl

from fakenews_assets.data.names import Names
from fakenews_assets.data.preparation import TextPreparation
from fakenews_assets.evaluation.evaluating import Evaluation
from fakenews_assets.evaluation.robustness.behaviour import run_behaviour_tests
from fakenews_assets.evaluation.robustness.masking import measure_masked
from fakenews_assets.models.articles import sample_rows
from fakenews_assets.models.classifier import Classifier
from fakenews_assets.models.loading import reads_text

_NAMED_ROWS: Final = 20_000
"""Training rows that names are learnt from, at most: seconds, and all names that are common."""
_DETECTOR_WORDS: Final = 1_000
"""More than the beginning of a text that `OodDetector` looks at."""


def learn_names(train: pl.DataFrame) -> Names:
    """The names of the training rows, by a fixed part of them."""
    return Names.learn(sample_rows(train, _NAMED_ROWS).with_columns(pl.col("text").fill_null("")))


def with_robustness(
    evaluation: Evaluation,
    predictions: pl.DataFrame,
    classifier: Classifier,
    test: pl.DataFrame,
    model_folder: Path,
    names: Names,
    preparation: TextPreparation,
) -> Evaluation:
    """The same evaluation with `masked` and `behaviour` filled in.

    Args:
        evaluation: of this candidate on these rows.
        predictions: as `evaluate` returned them with it.
        classifier: the same, as served.
        test: the same rows.
        model_folder: the candidate's files.
        names: of the training rows.
        preparation: as served.
    """
    config = evaluation.config
    masked = measure_masked(
        classifier,
        test.rename({"label": "true_label"}).with_columns(predictions["predicted_label"]),
        names,
        rows=config.masked_rows,
        reads_text=reads_text(model_folder),
        resamples=config.resamples,
        level=config.level,
        seed=config.seed,
    )
    behaviour = run_behaviour_tests(
        classifier,
        preparation,
        test,
        names,
        cases=config.behaviour_cases,
        reads_words=words_read(model_folder),
        seed=config.seed,
    )
    return evaluation.model_copy(update={"masked": masked, "behaviour": behaviour})


def words_read(model_folder: Path) -> int | None:
    """Words of a body beyond which nothing reaches a saved model; None: it reads all, or does not say."""
    encoding = model_folder / "encoding.json"
    if encoding.is_file():
        # A word is one token at least.
        return max(_DETECTOR_WORDS, json.loads(encoding.read_bytes())["max_tokens"])
    return None if reads_text(model_folder) else _DETECTOR_WORDS
