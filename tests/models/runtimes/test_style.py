"""Style features of the linear model."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from fakenews_assets.models.classifier import Article
from fakenews_assets.models.predictions import articles_of
from fakenews_assets.models.runtimes.linear import BaselineClassifier, fit_baseline
from fakenews_assets.models.runtimes.style import FEATURES, Standardization, style_features
from fakenews_assets.models.settings import BaselineSettings
from tests.support.models import separable_articles

WORDS = ["bank", "vote", "rain", "talks", "court", "storm", "party", "price", "judge", "train"]
LOUD = pl.DataFrame(
    [(f"{one} {other}", 0) for one in WORDS for other in WORDS]
    + [(f"{one} {other}!!".upper(), 1) for one in WORDS for other in WORDS],
    ["title", "label"],
    orient="row",
    schema_overrides={"label": pl.Int8},
).with_columns(text=pl.lit(""))


def test_features_are_roots_of_shares() -> None:
    features = style_features(["HOAX! a", "", "it rains. it pours."])

    assert features.shape == (3, FEATURES)
    exclamation = 4
    assert features[0, exclamation] == pytest.approx((1 / 3) ** 0.5)
    assert features[2, exclamation] == 0
    assert features[2, -1] == pytest.approx(2**0.5)  # two words in each sentence
    assert np.isnan(features[1]).all()


def test_a_missing_text_is_of_average_style() -> None:
    features = style_features(["a bank talks", "", "THE HOAX!", "rain, and a storm"])
    standardization = Standardization.fit(features)

    standardized = standardization.apply(features)

    assert standardized[1].tolist() == [0] * FEATURES
    np.testing.assert_allclose(standardized[[0, 2, 3]].mean(axis=0), 0, atol=1e-12)
    np.testing.assert_array_equal(standardization.apply(features[:1])[0], standardized[0])
    nothing_known = Standardization.fit(style_features(["", ""]))
    assert nothing_known.apply(features[1:2]).tolist() == [[0] * FEATURES]


def test_unknown_words_are_judged_by_their_style() -> None:
    articles = [Article("unheard of things"), Article("UNHEARD OF THINGS")]
    plain, loud = fit_baseline(LOUD, BaselineSettings()).log_odds(articles)
    ignoring = fit_baseline(LOUD, BaselineSettings(style=0)).log_odds(articles)

    assert plain < loud
    assert ignoring[0] == ignoring[1]


def test_a_model_stored_before_there_was_style(tmp_path: Path) -> None:
    fitted = fit_baseline(LOUD, BaselineSettings(style=0))
    fitted.save(tmp_path)
    file = tmp_path / "baseline.json"
    settings = json.loads(file.read_text())
    del settings["style"]
    file.write_text(json.dumps(settings))

    loaded = BaselineClassifier.load(tmp_path)

    np.testing.assert_array_equal(loaded.log_odds(articles_of(LOUD)), fitted.log_odds(articles_of(LOUD)))


def test_style_of_a_title_alone_is_not_that_of_the_text() -> None:
    train = separable_articles(100, with_text=True)
    title = fit_baseline(train, BaselineSettings(inputs="title"))
    shouted = [Article("some title", "WHAT IS THIS?!"), Article("some title", "nothing else")]
    one, other = title.log_odds(shouted)
    assert one == other
