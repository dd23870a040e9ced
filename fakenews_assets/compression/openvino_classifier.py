"""An exported encoder behind the common interface, run by OpenVINO."""

from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from typing_extensions import override

from fakenews_assets.machine import usable_cpus
from fakenews_assets.training.classifier import NoEmbedding
from fakenews_assets.training.encoder_classifier import EncoderClassifier, EncoderInputs
from fakenews_assets.training.tokenization import ArticleEncoder

OPENVINO_FILE: Final = "model.xml"

BATCH_ROWS: Final = 16
"""Rows per batch: more are not faster here, pad more, and make more shapes (see `fitted`)."""

Arithmetic = Literal["f32", "bf16", "fastest"]
"""Of everything that is not quantized; `fastest` is OpenVINO's own choice, bfloat16 where the processor has it."""


class OpenVinoClassifier(EncoderClassifier):
    """Predicts with OpenVINO on the CPU."""

    def __init__(
        self, model: ov.Model, encoder: ArticleEncoder, *, name: str, arithmetic: Arithmetic = "f32"
    ) -> None:
        """Compile a model.

        Args:
            model: outputs logits and, if it was exported with one, the embedding.
            encoder: tokenizer and layout that it was trained with.
            name: for tables and logs.
            arithmetic: of what is not quantized.
        """
        super().__init__(encoder, name=name, batch_rows=BATCH_ROWS)
        self.model = model
        self.arithmetic: Arithmetic = arithmetic
        self._predictor = self._compiled(0)

    @classmethod
    def load(
        cls, folder: Path, *, name: str = "openvino", arithmetic: Arithmetic = "f32"
    ) -> "OpenVinoClassifier":
        """Load a folder with model.xml, tokenizer and encoding.json."""
        model = ov.Core().read_model(folder / OPENVINO_FILE)
        return cls(model, ArticleEncoder.load(folder), name=name, arithmetic=arithmetic)

    @override
    def fitted(self, batch: EncoderInputs) -> EncoderInputs:
        """Pad to one of some hundred shapes.

        OpenVINO prepares itself for each shape that it meets and remembers thousands of them: requests of all
        sizes took a service of 0.6 GB to 2 GB, and every new shape takes time. The padding costs a few percent.
        """
        rows, tokens = batch["input_ids"].shape
        space = (_round_up(rows, 4) if rows > 8 else rows, _round_up(tokens, 4 if tokens <= 64 else 16))
        if space == (rows, tokens):
            return batch
        empty = {"input_ids": self.encoder.pad_id}
        padded = {name: np.full(space, empty.get(name, 0), dtype=np.int64) for name in batch}
        padded["attention_mask"][rows:, 0] = 1  # a row that attends to nothing has no softmax
        for name, values in batch.items():
            padded[name][:rows, :tokens] = values
        return padded

    @override
    def logits(self, batches: Iterable[EncoderInputs]) -> Iterator[NDArray[np.float32]]:
        return _run(self._predictor, batches)

    @override
    def embeddings(self, batches: Iterable[EncoderInputs]) -> Iterator[NDArray[np.float32]]:
        return _run(self._embedder, batches)

    @cached_property
    def _embedder(self) -> ov.CompiledModel:
        # Compiled when first asked for: it takes memory that a service which only predicts can save.
        if len(self.model.outputs) < 2:
            raise NoEmbedding.of(self.name)
        return self._compiled(1)

    def _compiled(self, output: int) -> ov.CompiledModel:
        # One output each, so that pooling costs a prediction nothing.
        results, parameters = [self.model.get_results()[output]], self.model.get_parameters()
        part = ov.Model(results, parameters)  # pyright: ignore[reportGeneralTypeIssues] - OpenVINO's stubs
        return compile_model(part, self.arithmetic)


def compile_model(model: ov.Model, arithmetic: Arithmetic) -> ov.CompiledModel:
    """Compile for this machine's processors.

    Args:
        model: fp32 or quantized.
        arithmetic: of what is not quantized.
    """
    options = {"INFERENCE_NUM_THREADS": usable_cpus(), "PERFORMANCE_HINT": "LATENCY"}
    if arithmetic != "fastest":
        options["INFERENCE_PRECISION_HINT"] = arithmetic
    return ov.Core().compile_model(model, "CPU", options)


def _run(model: ov.CompiledModel, batches: Iterable[EncoderInputs]) -> Iterator[NDArray[np.float32]]:
    request = model.create_infer_request()  # of its own: one request serves one thread
    for batch in batches:
        yield np.array(request.infer(batch, share_inputs=True)[0])


def _round_up(size: int, step: int) -> int:
    return -(-size // step) * step
