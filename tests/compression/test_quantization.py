"""Exported variants answer as their source does, in every format; wrong exports are refused."""

import json
from collections.abc import Collection
from itertools import count
from pathlib import Path
from typing import get_args

import numpy as np
import polars as pl
import pytest

from fakenews_assets.common.hardware import supports_bf16
from fakenews_assets.compression import quantization
from fakenews_assets.compression.export import export_onnx
from fakenews_assets.compression.quantization import (
    ExportMismatch,
    ExportReport,
    FormatUnavailable,
    make_variant,
)
from fakenews_assets.compression.settings import FORMATS, Format, QuantizationSettings
from fakenews_assets.ensembling.ensemble import make_ensemble
from fakenews_assets.models.classifier import RUNTIME_FILE, Article, Embedder, OnePassEmbedder
from fakenews_assets.models.predictions import articles_of
from fakenews_assets.models.runtimes.linear import fit_baseline
from fakenews_assets.models.runtimes.loading import load_classifier
from fakenews_assets.models.settings import BaselineSettings
from fakenews_assets.models.tokenization import ArticleEncoder
from fakenews_resources.storage.hashing import hash_files
from tests.support.models import Relative, build_tiny_classifier, build_tiny_relative, separable_articles
from tests.support.shared import build_once

SETTINGS = QuantizationSettings(calibration_rows=40)

AVAILABLE: list[Format] = [name for name in FORMATS if name != "openvino-bf16" or supports_bf16("cpu")]

ONNX_EXPORT = "onnx-fp32"
"""No format of its own: what becomes `onnx-int8`."""


def embedder(folder: Path) -> Embedder:
    classifier = load_classifier(folder)
    assert isinstance(classifier, Embedder)
    return classifier


def make_onnx_export(source: Path, folder: Path) -> None:
    export_onnx(source, folder)
    ArticleEncoder.load(source).save(folder)
    (folder / RUNTIME_FILE).write_text(json.dumps({"format": ONNX_EXPORT}))


@pytest.fixture(scope="session")
def variants(
    tmp_path_factory: pytest.TempPathFactory, teacher: Path, train: pl.DataFrame, val: pl.DataFrame
) -> dict[str, Path]:
    def make(root: Path) -> None:
        for name in AVAILABLE:
            make_variant(teacher, name, train, val, SETTINGS, root / name)

    root = build_once(tmp_path_factory, "variants", make)
    return {name: root / name for name in AVAILABLE}


@pytest.fixture(scope="session")
def exports(
    tmp_path_factory: pytest.TempPathFactory, variants: dict[str, Path], teacher: Path
) -> dict[str, Path]:
    """All variants, and the model that an int8 variant of ONNX Runtime is made of."""
    folder = tmp_path_factory.mktemp("exports") / ONNX_EXPORT
    make_onnx_export(teacher, folder)
    return {**variants, ONNX_EXPORT: folder}


@pytest.mark.parametrize("name", [*AVAILABLE, ONNX_EXPORT])
def test_a_variant_answers_as_its_source(
    exports: dict[str, Path], teacher: Path, val: pl.DataFrame, name: str
) -> None:
    expected = load_classifier(teacher).predict(articles_of(val))
    classifier = load_classifier(exports[name])
    found = classifier.predict(articles_of(val))

    assert classifier.name == name
    exact = name.endswith("fp32")
    np.testing.assert_allclose(found.probability, expected.probability, atol=1e-4 if exact else 0.1)
    assert (found.predicted_label == expected.predicted_label).mean() > 0.97
    if not exact:
        assert (found.probability != expected.probability).any()


@pytest.mark.parametrize("name", AVAILABLE)
def test_an_ensemble_runs_in_the_runtime_of_its_encoder(
    exports: dict[str, Path], teacher: Path, train: pl.DataFrame, val: pl.DataFrame, tmp_path: Path, name: str
) -> None:
    fit_baseline(train, BaselineSettings()).save(tmp_path / "baseline")
    for encoder in (teacher, exports[name]):
        make_ensemble(encoder, tmp_path / "baseline", val, 0.5, tmp_path / f"ensemble of {encoder.name}")
    expected, found = (
        load_classifier(tmp_path / f"ensemble of {encoder.name}") for encoder in (teacher, exports[name])
    )

    assert isinstance(found, OnePassEmbedder)
    for predictions in (found.predict(articles_of(val)), found.predict_and_embed(articles_of(val))[0]):
        np.testing.assert_allclose(
            predictions.probability, expected.predict(articles_of(val)).probability, atol=0.1
        )


@pytest.mark.parametrize("name", [*AVAILABLE, ONNX_EXPORT])
def test_the_order_of_the_question_is_the_order_of_the_answer(
    exports: dict[str, Path], val: pl.DataFrame, name: str
) -> None:
    articles = articles_of(val)[:20]
    classifier = load_classifier(exports[name])
    together = classifier.predict(articles).probability
    alone = np.concatenate([classifier.predict([article]).probability for article in articles])
    np.testing.assert_allclose(together, alone, atol=0.05)
    assert np.corrcoef(together, alone)[0, 1] > 0.99
    assert len(classifier.predict([])) == 0
    assert len(classifier.predict([Article("")])) == 1


@pytest.mark.parametrize("name", [*AVAILABLE, ONNX_EXPORT])
def test_a_variant_embeds_as_its_source(
    exports: dict[str, Path], teacher: Path, val: pl.DataFrame, name: str
) -> None:
    articles = [*articles_of(val), Article("bank"), Article("")]  # of 2 to 48 tokens
    expected = embedder(teacher).embed(articles)
    classifier = embedder(exports[name])
    together = classifier.embed(articles)
    alone = np.concatenate([classifier.embed([article]) for article in articles])

    assert classifier.embed([]).shape == (0, 0)
    for found in (together, alone):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, atol=1e-4 if name.endswith("fp32") else 0.3)
        # All articles lie close together, so that only what is left of their mean tells one from another.
        apart = [(vectors - expected.mean(axis=0)).ravel() for vectors in (found, expected)]
        assert np.corrcoef(apart)[0, 1] > 0.85


@pytest.mark.parametrize("name", [*AVAILABLE, ONNX_EXPORT])
def test_one_pass_says_what_two_say(exports: dict[str, Path], val: pl.DataFrame, name: str) -> None:
    articles = [*articles_of(val)[:37], Article("bank"), Article("")]  # 39: padded to more rows than asked
    classifier = load_classifier(exports[name])
    assert isinstance(classifier, OnePassEmbedder)
    predictions, embeddings = classifier.predict_and_embed(articles)

    close = 1e-5 if name.endswith("fp32") else 0.02  # other outputs may let a compiler round elsewhere
    np.testing.assert_allclose(predictions.probability, classifier.predict(articles).probability, atol=close)
    np.testing.assert_allclose(embeddings, embedder(exports[name]).embed(articles), atol=5 * close)
    assert len(np.unique(embeddings.round(2), axis=0)) > 30  # else order could not show
    nothing, nowhere = classifier.predict_and_embed([])
    assert (len(nothing), nowhere.shape) == (0, (0, 0))


@pytest.mark.training
@pytest.mark.parametrize("name", ["openvino-fp32", ONNX_EXPORT])
@pytest.mark.parametrize("kind", get_args(Relative))
def test_other_architectures_embed_too(tmp_path: Path, kind: Relative, name: str) -> None:
    source = build_tiny_relative(tmp_path / "source", kind)
    rows = separable_articles(30, with_text=True)
    if name == "openvino-fp32":
        make_variant(source, name, rows, rows, SETTINGS, tmp_path / "variant")
    else:
        make_onnx_export(source, tmp_path / "variant")

    expected, found = (embedder(folder).embed(articles_of(rows)) for folder in (source, tmp_path / "variant"))
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert len(np.unique(found.round(3), axis=0)) == len(rows)


def test_the_report_tells_what_was_compared(variants: dict[str, Path], val: pl.DataFrame) -> None:
    for name, folder in variants.items():
        report = ExportReport.model_validate_json((folder / "export.json").read_text())
        assert report.format == name == json.loads((folder / "runtime.json").read_text())["format"]
        assert report.rows == 2 * len(val)  # articles, and their titles alone
        assert report.parity < 1e-4
        assert 0.97 <= report.agreement <= 1
        assert (report.float_layers is None) == (name != "openvino-int8")


def test_the_same_again_is_the_same_file(
    variants: dict[str, Path], teacher: Path, train: pl.DataFrame, val: pl.DataFrame, tmp_path: Path
) -> None:
    make_variant(teacher, "openvino-int8", train, val, SETTINGS, tmp_path)
    assert hash_files(tmp_path) == hash_files(variants["openvino-int8"])


def test_int8_is_smaller(exports: dict[str, Path]) -> None:
    def weights(name: str) -> int:
        return sum(path.stat().st_size for path in exports[name].glob("model.[bo]*"))

    assert weights("openvino-int8") < 0.5 * weights("openvino-fp32")
    assert weights("onnx-int8") < weights(ONNX_EXPORT)


def test_a_wrong_export_is_refused(
    teacher: Path, train: pl.DataFrame, val: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = build_tiny_classifier(tmp_path / "other")
    convert = quantization.convert_to_openvino
    monkeypatch.setattr(quantization, "convert_to_openvino", lambda _: convert(other))
    with pytest.raises(ExportMismatch, match="differs from its source"):
        make_variant(teacher, "openvino-int8", train, val, SETTINGS, tmp_path / "variant")
    assert not (tmp_path / "variant" / "runtime.json").exists()


def test_a_processor_without_bfloat16(
    teacher: Path, train: pl.DataFrame, val: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantization, "supports_bf16", lambda _: False)
    with pytest.raises(FormatUnavailable, match="no bfloat16"):
        make_variant(teacher, "openvino-bf16", train, val, SETTINGS, tmp_path)


def with_wrong_answers(
    monkeypatch: pytest.MonkeyPatch, val: pl.DataFrame, articles: int, calls: Collection[int]
) -> None:
    """Let some models answer wrong about so many articles that their source answers right, with and without their texts.

    Args:
        monkeypatch: of the test.
        val: the validation rows.
        articles: how many.
        calls: which of the models that are asked; 0 is the source.
    """
    decide, asked = quantization._decisions, count()

    def decided(*arguments):
        decisions = decide(*arguments)
        if len(decisions) == 2 * len(val) and next(asked) in calls:  # NNCF asks about one batch first
            right = decisions[: len(val)] == drawn["label"].to_numpy()
            chosen = np.flatnonzero(right)[:articles]
            decisions[[*chosen, *chosen + len(val)]] ^= True
        return decisions

    drawn = val.sample(len(val), seed=SETTINGS.seed)
    monkeypatch.setattr(quantization, "_decisions", decided)


def test_layers_that_hurt_go_back_to_floating_point(
    teacher: Path, train: pl.DataFrame, val: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # int8, and the same once more when the search begins; the next one has a layer in floating point.
    with_wrong_answers(monkeypatch, val, 5, calls=(1, 3))
    report = make_variant(teacher, "openvino-int8", train, val, SETTINGS, tmp_path)
    assert report.float_layers
    assert (tmp_path / "model.xml").is_file()


def test_a_loss_that_chance_explains_sends_no_layer_back(
    teacher: Path, train: pl.DataFrame, val: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Four articles with their titles alone: eight rows, which would be significant if each counted.
    with_wrong_answers(monkeypatch, val, 4, calls=(1,))
    strict = SETTINGS.model_copy(update={"max_drop_points": 0})
    assert make_variant(teacher, "openvino-int8", train, val, strict, tmp_path).float_layers == 0
