"""Export of a fine-tuned encoder to ONNX and OpenVINO, in float32."""

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import openvino as ov
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from typing_extensions import override

from fakenews_assets.models.classifier import Article
from fakenews_assets.models.encoders import load_encoder, quiet_transformers
from fakenews_assets.models.runtimes.onnx import ONNX_FILE
from fakenews_assets.models.runtimes.torch import mean_of_tokens
from fakenews_assets.models.tokenization import ArticleEncoder

_EXAMPLES = (Article("A title"), Article("A somewhat longer title than the first", "and a text"))
"""Two lengths, so that tracing includes the padding mask."""

_OUTPUTS = ("logits", "sentence_embedding")
"""Not `embedding`: torch's ONNX exporter gives that name to the look-up of a token, and would give it twice."""


class _Positional(nn.Module):
    """An encoder that takes its inputs by position and returns a tuple, as exporters want it."""

    def __init__(self, model: PreTrainedModel, names: list[str]) -> None:
        super().__init__()
        self.model = model
        self.names = names

    @override
    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        named = dict(zip(self.names, inputs, strict=True))
        answer = self.model(**named, output_hidden_states=True)
        return answer.logits, mean_of_tokens(answer.hidden_states[-1], named["attention_mask"])


def export_onnx(source: Path, folder: Path) -> None:
    """Write a classifier's encoder as `model.onnx`, with dynamic batch and length.

    Args:
        source: folder of a fine-tuned classifier.
        folder: receives the files; made if missing.
    """
    module, example = _prepared(source)
    folder.mkdir(parents=True, exist_ok=True)
    free = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    with _quiet_exporters():
        torch.onnx.export(
            module,
            tuple(example.values()),
            folder / ONNX_FILE,
            input_names=list(example),
            output_names=_OUTPUTS,
            dynamo=True,
            dynamic_shapes=((free,) * len(example),),
            external_data=False,
            verbose=False,
        )


def convert_to_openvino(source: Path) -> ov.Model:
    """Convert a classifier's encoder to OpenVINO, with dynamic batch and length.

    It is converted from torch directly, so that attention stays one operation, which OpenVINO runs fused.
    """
    module, example = _prepared(source)
    with _quiet_exporters():
        model = ov.convert_model(module, example_input=tuple(example.values()))
    for port, name in zip(model.inputs, example, strict=True):
        port.get_tensor().set_names({name})
    for port, name in zip(model.outputs, _OUTPUTS, strict=True):
        port.get_tensor().set_names({name})
    model.validate_nodes_and_infer_types()
    return model


def save_openvino(model: ov.Model, file: Path) -> None:
    """Save a model; equal models give equal files.

    OpenVINO names anonymous operations by a counter of the process; here they are named by their position in the
    model.
    """
    model.set_friendly_name("model")
    for place, operation in enumerate(model.get_ordered_ops()):
        kind = operation.get_type_name()
        if re.fullmatch(rf"{kind}_\d+", operation.get_friendly_name()):
            operation.set_friendly_name(f"{kind}_{place}")
    ov.save_model(model, file, compress_to_fp16=False)


def _prepared(source: Path) -> tuple[_Positional, dict[str, Tensor]]:
    encoder = ArticleEncoder.load(source)
    table = encoder.encode(_EXAMPLES)
    inputs = encoder.batch(table, np.arange(len(table)))
    model = load_encoder(source).eval()
    model.set_attn_implementation("sdpa")
    names = list(inputs)
    return _Positional(model, names).eval(), {name: torch.from_numpy(inputs[name]) for name in names}


@contextmanager
def _quiet_exporters() -> Iterator[None]:
    """Keep the exporters' warnings on tracing out of the log: outputs are compared afterwards."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), quiet_transformers():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
