"""The OpenVINO classifier."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, Literal

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from typing_extensions import override

from fakenews_assets.common.hardware import usable_cpus
from fakenews_assets.models.runtimes.encoder import OUTPUTS, EncoderClassifier, EncoderInputs, Output
from fakenews_assets.models.tokenization import ArticleEncoder

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
        """Wrap a model. It is compiled when it is first asked.

        Args:
            model: outputs logits and embedding.
            encoder: tokenizer and layout that it was trained with.
            name: for tables and logs.
            arithmetic: of what is not quantized.
        """
        super().__init__(encoder, name=name, batch_rows=BATCH_ROWS)
        self.model = model
        self.arithmetic: Arithmetic = arithmetic
        self._compiled: dict[tuple[Output, ...], ov.CompiledModel] = {}

    @classmethod
    def load(
        cls, folder: Path, *, name: str = "openvino", arithmetic: Arithmetic = "f32"
    ) -> "OpenVinoClassifier":
        """Load a folder with model.xml, tokenizer and encoding.json."""
        model = ov.Core().read_model(folder / OPENVINO_FILE)
        inputs = [one.any_name for one in model.inputs]
        return cls(model, ArticleEncoder.load_exported(folder, inputs), name=name, arithmetic=arithmetic)

    @override
    def pad(self, batch: EncoderInputs) -> EncoderInputs:
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
    def run(
        self, batches: Iterable[EncoderInputs], *outputs: Output
    ) -> Iterator[tuple[NDArray[np.float32], ...]]:
        request = self._model_for(outputs).create_infer_request()  # of its own: one request serves one thread
        for batch in batches:
            found = request.infer(batch, share_inputs=True)
            yield tuple(np.array(found[index]) for index in range(len(outputs)))

    def _model_for(self, outputs: tuple[Output, ...]) -> ov.CompiledModel:
        # Each set of outputs when it is first asked for: compiled models take memory, and an output that nobody
        # reads takes time.
        if outputs not in self._compiled:
            results = dict(zip(OUTPUTS, self.model.get_results(), strict=True))
            wanted, parameters = [results[output] for output in outputs], self.model.get_parameters()
            part = ov.Model(wanted, parameters)  # pyright: ignore[reportGeneralTypeIssues] - OpenVINO's stubs
            self._compiled[outputs] = compile_model(part, self.arithmetic)
        return self._compiled[outputs]


def compile_model(model: ov.Model, arithmetic: Arithmetic) -> ov.CompiledModel:
    """Compile for this machine's processors.

    Args:
        model: fp32 or quantized.
        arithmetic: of what is not quantized.
    """
    options = {"INFERENCE_NUM_THREADS": usable_cpus(), "PERFORMANCE_HINT": "LATENCY"}
    # A thread that is bound to one processor waits while another thread of a service has it: 12 % of the requests here.
    options["ENABLE_CPU_PINNING"] = False
    if arithmetic != "fastest":
        options["INFERENCE_PRECISION_HINT"] = arithmetic
    return ov.Core().compile_model(model, "CPU", options)


def _round_up(size: int, step: int) -> int:
    return -(-size // step) * step
