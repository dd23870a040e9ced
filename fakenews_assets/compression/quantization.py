"""Makes exported variants: export, comparison with the source, int8 quantization."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, Final

import nncf
import numpy as np
import openvino as ov
import polars as pl
from numpy.typing import NDArray
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.shape_inference import quant_pre_process
from pydantic import BaseModel, ConfigDict, Field
from scipy.stats import binomtest
from sklearn.metrics import f1_score

from fakenews_assets.common import progress
from fakenews_assets.common.hardware import supports_bf16
from fakenews_assets.compression.export import convert_to_openvino, export_onnx, save_openvino
from fakenews_assets.compression.settings import Format, QuantizationSettings
from fakenews_assets.models.classifier import RUNTIME_FILE, Classifier
from fakenews_assets.models.predictions import articles_of, with_headlines
from fakenews_assets.models.runtimes.encoder import EncoderInputs
from fakenews_assets.models.runtimes.loading import load_classifier
from fakenews_assets.models.runtimes.onnx import ONNX_FILE, OnnxClassifier
from fakenews_assets.models.runtimes.openvino import OPENVINO_FILE, OpenVinoClassifier, compile_model
from fakenews_assets.models.tokenization import ArticleEncoder

REPORT_FILE: Final = "export.json"

_CALIBRATION_BATCH: Final = 1
"""Rows per calibration batch: one, so that no padding enters the ranges."""

_VALIDATION_BATCH: Final = 32
_SIGNIFICANCE: Final = 0.05


class ExportMismatch(RuntimeError):
    """The exported model's predictions differ from its source's."""


class FormatUnavailable(RuntimeError):
    """This machine cannot run the format; the message says why."""


class ExportReport(BaseModel):
    """Comparison of an exported variant with its source on validation rows; stored beside it as export.json."""

    model_config = ConfigDict(frozen=True)

    format: Format
    rows: int = Field(
        description="Inputs compared: validation articles, and the title alone of each whose text the model reads."
    )
    parity: float = Field(
        description="Largest difference of a probability between source and fp32 export, before quantization."
    )
    agreement: float = Field(description="Share of rows with the same decision of source and variant.")
    source_macro_f1: float
    macro_f1: float
    float_layers: int | None = Field(
        description="Operations that were reverted to floating point to keep accuracy; None: not measured."
    )


def make_variant(
    source: Path,
    variant: Format,
    train: pl.DataFrame,
    val: pl.DataFrame,
    settings: QuantizationSettings,
    output: Path,
) -> ExportReport:
    """Export a fine-tuned model, compare its predictions, and quantize it if the format says so.

    Args:
        source: folder of a fine-tuned, distilled or pruned classifier.
        variant: format to make.
        train: columns `title` and `text`; calibrates the ranges of activations.
        val: columns `title`, `text` and `label`; compares the variant with its source.
        settings: the recipe.
        output: an empty folder, for `load_classifier`.

    Raises:
        FormatUnavailable: this machine lacks the arithmetic.
        ExportMismatch: the fp32 export differs from its source by more than the tolerance.
    """
    if variant == "openvino-bf16" and not supports_bf16("cpu"):
        raise FormatUnavailable(
            "This processor has no bfloat16 arithmetic. Use openvino-fp32 or openvino-int8."
        )
    output.mkdir(parents=True, exist_ok=True)
    encoder = ArticleEncoder.load(source)
    encoder.save(output)
    rows = _inputs(val, settings.validation_rows, encoder, settings.seed)
    progress.report(0, len(rows), "articles", "scoring with the source")
    expected = _probability(load_classifier(source), rows)

    progress.report(unit="articles", note=f"exporting as {variant}")
    if variant == "onnx-int8":
        model = None
        export_onnx(source, output)
        exact: Classifier = OnnxClassifier.load(output)
    else:
        model = convert_to_openvino(source)
        exact = OpenVinoClassifier(model, encoder, name=variant)
    parity = float(np.abs(_probability(exact, rows) - expected).max())
    if not parity <= settings.parity_tolerance:  # also when it is not a number
        raise ExportMismatch(
            f"The {variant} export of {source.name} differs from its source by {parity:.2g} in probability"
            f" (tolerance {settings.parity_tolerance:g}). Do not use it; raise parity_tolerance only if you know why."
        )

    float_layers = None
    if variant == "onnx-int8":
        _quantize_onnx(output / ONNX_FILE)
    elif model is not None:
        if variant == "openvino-int8":
            model, float_layers = _quantize_openvino(model, encoder, train, rows, settings)
        save_openvino(model, output / OPENVINO_FILE)
    (output / RUNTIME_FILE).write_text(json.dumps({"format": variant}) + "\n")

    progress.report(0, len(rows), "articles", f"scoring with the {variant} model")
    found = _probability(load_classifier(output), rows)
    labels = rows["label"].to_numpy()
    report = ExportReport(
        format=variant,
        rows=len(rows),
        parity=parity,
        agreement=float(np.mean((found >= 0.5) == (expected >= 0.5))),
        source_macro_f1=_macro_f1(labels, expected >= 0.5),
        macro_f1=_macro_f1(labels, found >= 0.5),
        float_layers=float_layers,
    )
    (output / REPORT_FILE).write_text(report.model_dump_json(indent=2) + "\n")
    return report


def _quantize_onnx(path: Path) -> None:
    """Static int8 weights per channel, dynamic int8 activations."""
    prepared = path.with_suffix(".prepared.onnx")
    quant_pre_process(path, prepared, skip_symbolic_shape=True)
    quantize_dynamic(prepared, path, per_channel=True, weight_type=QuantType.QInt8)
    prepared.unlink()


def _quantize_openvino(
    model: ov.Model,
    encoder: ArticleEncoder,
    train: pl.DataFrame,
    val: pl.DataFrame,
    settings: QuantizationSettings,
) -> tuple[ov.Model, int]:
    """Static int8 weights and activations; layers that lose too much accuracy stay in floating point.

    A loss that chance explains counts as none: on few rows one answer is more than the points that int8 may lose.

    Returns: The model, and the number of operations that were reverted.
    """
    rows = _inputs(train, settings.calibration_rows, encoder, settings.seed)
    calibration = nncf.Dataset(_Counted(_batches(encoder, rows, _CALIBRATION_BATCH)))
    common: dict[str, Any] = {
        "model_type": nncf.ModelType.TRANSFORMER,
        "preset": nncf.QuantizationPreset.MIXED,
        "subset_size": len(rows),
    }
    drop = settings.max_drop_points / 100
    batches = _batches(encoder, val, _VALIDATION_BATCH)
    labels = val["label"].to_numpy()
    expected = _decisions(compile_model(model, "f32"), batches)
    score = _macro_f1(labels, expected)

    def validate(compiled: ov.CompiledModel, items: Iterable[EncoderInputs]) -> tuple[float, None]:
        found = _decisions(compiled, items)
        is_worse = _is_worse(labels, expected, found, val["article"].to_numpy())
        return _macro_f1(labels, found) if is_worse else score, None

    progress.report(unit="articles", note="quantizing")
    # NNCF draws bars of its own, across those of whoever called.
    with redirect_stdout(StringIO()):
        quantized = nncf.quantize(model, calibration, **common)
    if score - validate(compile_model(quantized, "fastest"), batches)[0] <= drop:
        return quantized, 0
    with redirect_stdout(StringIO()):
        restored = nncf.quantize_with_accuracy_control(
            model,
            calibration_dataset=calibration,
            validation_dataset=nncf.Dataset(batches),
            validation_fn=validate,
            max_drop=drop,
            **common,
        )
    return restored, _fake_quantizers(quantized) - _fake_quantizers(restored)


def _decisions(compiled: ov.CompiledModel, items: Iterable[EncoderInputs]) -> NDArray[np.bool_]:
    """Whether each row is called fake."""
    logits = np.concatenate([np.array(compiled(item)[0]) for item in items])
    return logits[:, 1] >= logits[:, 0]


def _is_worse(
    labels: NDArray[np.int8],
    expected: NDArray[np.bool_],
    found: NDArray[np.bool_],
    article: NDArray[np.integer],
) -> bool:
    """Whether more articles lose right answers than win some, beyond chance.

    An exact sign test over articles, one-sided at 5 % (McNemar, Psychometrika 1947), because an article and its title alone
    are no independent rows.
    """
    lost = (expected == labels).astype(int) - (found == labels)
    by_article = np.bincount(article, weights=lost)
    losers, winners = int((by_article > 0).sum()), int((by_article < 0).sum())
    if not losers:
        return False
    return float(binomtest(losers, losers + winners, alternative="greater").pvalue) < _SIGNIFICANCE


class _Counted:
    """Batches of one article that are read as often as NNCF likes."""

    def __init__(self, batches: Sequence[EncoderInputs]) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[EncoderInputs]:
        for batch in self.batches:
            yield batch
            progress.advance(1)


def _inputs(articles: pl.DataFrame, count: int, encoder: ArticleEncoder, seed: int) -> pl.DataFrame:
    """Articles drawn with the seed and numbered, with and without their texts where the model reads them."""
    drawn = articles.sample(min(count, len(articles)), seed=seed).with_row_index("article")
    return drawn if encoder.settings.inputs == "title" else with_headlines(drawn)


def _fake_quantizers(model: ov.Model) -> int:
    return sum(operation.get_type_name() == "FakeQuantize" for operation in model.get_ops())


def _batches(encoder: ArticleEncoder, rows: pl.DataFrame, size: int) -> Sequence[EncoderInputs]:
    table = encoder.encode(articles_of(rows))
    return [
        encoder.batch(table, part) for part in np.split(np.arange(len(table)), range(size, len(table), size))
    ]


def _probability(classifier: Classifier, rows: pl.DataFrame) -> NDArray[np.float32]:
    return classifier.predict(articles_of(rows)).probability


def _macro_f1(labels: NDArray[np.int8], decisions: NDArray[np.bool_]) -> float:
    return float(f1_score(labels, decisions, average="macro"))
