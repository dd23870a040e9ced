"""Fits the frozen encoder: a second bar, which says what fine-tuning adds to pretraining."""

from pathlib import Path

import numpy as np
import polars as pl
from sklearn.linear_model import LogisticRegression

from fakenews_assets.common import progress
from fakenews_assets.models.encoders import load_encoder, quiet_transformers, resolve
from fakenews_assets.models.predictions import articles_of
from fakenews_assets.models.runtimes.frozen import FROZEN_FOLDER, save_head
from fakenews_assets.models.runtimes.torch import TorchClassifier
from fakenews_assets.models.tokenization import ArticleEncoder, load_tokenizer
from fakenews_assets.training.settings import FrozenSettings


def fit_frozen(train: pl.DataFrame, settings: FrozenSettings, output: Path) -> None:
    """Fit logistic regression on the embeddings of a pretrained encoder, and save both.

    Args:
        train: columns `title`, `text` and `label` (0 real, 1 fake), no nulls, already cleaned.
        settings: encoder, input and regularization.
        output: the classifier's folder, for `load_classifier`.

    Raises:
        EncoderUnavailable: the pretrained weights are not here.
        ValueError: one label only.
    """
    source, folder = resolve(settings.encoder), output / FROZEN_FOLDER
    with quiet_transformers():
        load_encoder(source).save_pretrained(folder)
    ArticleEncoder(load_tokenizer(source), settings.encoding).save(folder)
    progress.report(0, len(train), "articles", "embedding the training articles")
    embeddings = TorchClassifier.load(folder).embed(articles_of(train))
    regression = LogisticRegression(C=settings.inverse_regularization, max_iter=1000)
    regression.fit(embeddings.astype(np.float64), train["label"].to_numpy())
    save_head(output, np.asarray(regression.coef_)[0], float(np.asarray(regression.intercept_)[0]))
