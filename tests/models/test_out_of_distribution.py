"""Strange articles are refused, familiar ones are not."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import LedoitWolf

from fakenews_assets.models.calibration import CalibratedClassifier, Calibration
from fakenews_assets.models.classifier import Article, NoEmbedding, Predictions
from fakenews_assets.models.out_of_distribution import (
    OOD_FILE,
    OodDetector,
    OodSettings,
    fit_ood_detector,
)
from fakenews_assets.models.predictions import articles_of
from fakenews_assets.models.runtimes.linear import fit_baseline
from fakenews_assets.models.runtimes.torch import TorchClassifier
from fakenews_assets.models.settings import BaselineSettings, EncoderSpec
from fakenews_assets.training.finetuning.finetuning import finetune
from fakenews_assets.training.settings import FinetuneSettings
from tests.support.out_of_distribution import FOREIGN, gibberish
from tests.support.watched import sample_articles

SETTINGS = OodSettings(refused_share=0.01, rows=1000)


def titles(found: Sequence[str]) -> list[Article]:
    return [Article(title) for title in found]


class Plain:
    """Says 0.9 of each article, and has no embedding."""

    name = "plain"

    def predict(self, articles: Sequence[Article]) -> Predictions:
        return Predictions.from_probability(np.full(len(articles), 0.9))


class Placed(Plain):
    """Puts each article where a table says."""

    name = "placed"

    def __init__(self, places: dict[str, NDArray[np.float32]]) -> None:
        self.places = places

    def embed(self, articles: Sequence[Article]) -> NDArray[np.float32]:
        return np.stack([self.places[article.title] for article in articles])

    def predict_and_embed(self, articles: Sequence[Article]) -> tuple[Predictions, NDArray[np.float32]]:
        return self.predict(articles), self.embed(articles)


@pytest.fixture(scope="module")
def articles() -> pl.DataFrame:
    found = sample_articles(1800)
    return found.drop_nulls("label")


@pytest.fixture(scope="module")
def finetuned(tiny_encoder: EncoderSpec, articles: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("finetuned")
    settings = FinetuneSettings(
        encoder=tiny_encoder, inputs="title", max_tokens=64, epochs=1, learning_rate=3e-3, precision="fp32"
    )
    finetune(articles[:800], articles[800:1100], settings, folder / "model", folder / "work")
    return TorchClassifier.load(folder / "model")


@pytest.fixture(scope="module")
def served(finetuned: TorchClassifier, articles: pl.DataFrame) -> CalibratedClassifier:
    ood_detector = fit_ood_detector(finetuned, articles[:800], articles[800:1100], SETTINGS, reads_text=False)
    return CalibratedClassifier(finetuned, Calibration.identity(), ood_detector)


def test_familiar_articles_are_answered(served: CalibratedClassifier, articles: pl.DataFrame):
    found = served.predict(articles_of(articles[1100:]))
    assert found.out_of_distribution.mean() < 0.05
    np.testing.assert_array_equal(found.abstained, found.out_of_distribution)  # there is no band here
    assert [found.abstain_reason(row) is None for row in range(len(found))] == (~found.abstained).tolist()


@pytest.mark.parametrize("language", FOREIGN)
def test_other_languages_are_refused(served: CalibratedClassifier, language: str):
    found = served.predict(titles(FOREIGN[language]))
    assert found.out_of_distribution.all()
    assert found.abstained.all()
    assert found.abstain_reason(0) == "out_of_distribution"


def test_gibberish_is_refused(served: CalibratedClassifier, articles: pl.DataFrame):
    kinds = gibberish(articles["title"].to_list()[1100:1200])
    refused = {kind: served.predict(titles(found)).abstained.mean() for kind, found in kinds.items()}
    assert min(refused.values()) > 0.97, refused


def test_the_limits_refuse_no_more_than_promised(served: CalibratedClassifier, articles: pl.DataFrame):
    assert served.ood_detector is not None
    limits = served.ood_detector.limits
    refused = served.predict(articles_of(articles[800:1100])).out_of_distribution.mean()
    assert limits.refused_on_validation == pytest.approx(refused, abs=1e-9)
    assert 0 < refused <= SETTINGS.refused_share == limits.refused_share
    assert (limits.train_rows, limits.validation_rows) == (800, 300)


def test_an_embedding_far_away_is_refused_however_ordinary_the_words(articles: pl.DataFrame):
    generator = np.random.default_rng(0)
    table = articles.unique("title", maintain_order=True)[:600]
    mixing = generator.normal(size=(8, 8))
    offset = 3 * table["label"].to_numpy()[:, None] * np.eye(8)[0]
    vectors = ((generator.normal(size=(600, 8)) + offset) @ mixing).astype(np.float32)
    train, validation = table[:400], table[400:]
    classifier = Placed(dict(zip(table["title"], vectors, strict=True)))
    ood_detector = fit_ood_detector(classifier, train, validation, SETTINGS, reads_text=False)
    asked, limit = articles_of(validation)[:40], ood_detector.limits.embedding_distance
    assert limit is not None

    labels = train["label"].to_numpy()
    means = [vectors[:400][labels == label].mean(axis=0, dtype=np.float64) for label in (0, 1)]
    fitted = LedoitWolf(assume_centered=True).fit(vectors[:400] - np.stack(means)[labels])
    precision = np.asarray(fitted.precision_)
    far = vectors[400:440] * np.linspace(0.1, 4, 40, dtype=np.float32)[:, None]
    expected = [min(mahalanobis(one, mean, precision) for mean in means) / limit for one in far]
    surprise = ood_detector.ood_score(asked, np.tile(means[0].astype(np.float32), (40, 1)))
    np.testing.assert_allclose(ood_detector.ood_score(asked, far), np.maximum(expected, surprise), rtol=1e-4)
    assert 0.2 < (np.array(expected) > 1).mean() < 0.9
    assert (surprise <= 1).mean() > 0.9


def test_it_survives_the_disk_to_the_bit(served: CalibratedClassifier, tmp_path: Path):
    assert OodDetector.load(tmp_path) is None
    assert served.ood_detector is not None
    served.ood_detector.save(tmp_path)
    loaded = OodDetector.load(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == [OOD_FILE]
    assert loaded is not None
    assert loaded.limits == served.ood_detector.limits
    again = CalibratedClassifier(served.inner, served.calibration, loaded)
    asked = titles([*FOREIGN["Spanish"], "Senate passes budget", "the bank says"])
    np.testing.assert_array_equal(again.ood_score(asked), served.ood_score(asked))


def test_equal_rows_give_an_equal_file(finetuned: TorchClassifier, articles: pl.DataFrame, tmp_path: Path):
    few = SETTINGS.model_copy(update={"rows": 100})
    files = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        found = fit_ood_detector(finetuned, articles[:300], articles[300:600], few, reads_text=False)
        assert found.limits.train_rows == 100
        found.save(tmp_path / name)
        files.append((tmp_path / name / OOD_FILE).read_bytes())
    assert files[0] == files[1]


def test_without_an_embedding_character_surprise_decides(articles: pl.DataFrame):
    train, validation = articles[:800], articles[800:1100]
    for classifier in (fit_baseline(train, BaselineSettings()), Plain()):
        ood_detector = fit_ood_detector(classifier, train, validation, SETTINGS, reads_text=False)
        assert ood_detector.limits.embedding_distance is None
        answers = CalibratedClassifier(classifier, Calibration.identity(), ood_detector)
        assert answers.predict(titles(FOREIGN["German"])).out_of_distribution.all()
        assert answers.predict(articles_of(articles[1100:])).out_of_distribution.mean() < 0.05
        assert np.isfinite(answers.ood_score(titles(["half a pair: \ud800"]))).all()


def test_the_text_counts_only_if_the_model_reads_it(articles: pl.DataFrame):
    train, validation = articles[:800], articles[800:1100]
    foreign = " ".join(FOREIGN["Polish"]) * 400  # some 100,000 characters
    asked = [Article(title, foreign) for title in validation["title"][:20]]
    for reads_text, refused in ((False, 0), (True, 1)):
        ood_detector = fit_ood_detector(Plain(), train, validation, SETTINGS, reads_text=reads_text)
        assert abs((ood_detector.ood_score(asked) > 1).mean() - refused) < 0.11


def test_a_headline_alone_is_familiar_to_a_model_that_reads_texts(articles: pl.DataFrame):
    # Texts that are all alike say little of how odd a title may be.
    known = articles.with_columns(text=pl.lit("the same words once more " * 40))
    ood_detector = fit_ood_detector(Plain(), known[:800], known[800:1100], SETTINGS, reads_text=True)
    headlines = [Article(title) for title in known["title"][1100:]]
    assert (ood_detector.ood_score(headlines) > 1).mean() < 0.05


def test_odd_articles_get_a_number_of_their_own(served: CalibratedClassifier):
    odd = titles(["", "a", "İİİİ", "x" * 50_000, "😀" * 9, " ", "Senate passes budget"])
    together = served.ood_score(odd)
    assert np.isfinite(together).all()
    alone = np.concatenate([served.ood_score([one]) for one in odd])
    np.testing.assert_allclose(together, alone, rtol=1e-5)
    assert len(served.predict([])) == 0
    assert served.ood_score([]).shape == (0,)


def test_a_check_that_needs_an_embedding_says_so_without_one(served: CalibratedClassifier):
    with pytest.raises(NoEmbedding, match="plain"):
        CalibratedClassifier(Plain(), Calibration.identity(), served.ood_detector).predict(titles(["a"]))
