"""Speed of matrix products on this machine, with which every model's speed is compared."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import perf_counter

import numpy as np
import openvino as ov
import torch
from openvino import opset13 as ops
from transformers import BertConfig

from fakenews_assets.models.runtimes.openvino import compile_model

_SIZE = 2048
_ROUNDS = 12


@dataclass(frozen=True)
class Peak:
    """10^9 operations (multiplications and additions) per second, by kind of number."""

    int8: float
    bf16: float
    fp32: float


def measure_peaks() -> Peak:
    """Time square products of 2048 with the best kernel at hand for each kind of number."""
    floats = torch.randn(_SIZE, _SIZE)
    halves = floats.bfloat16()
    return Peak(
        int8=_int8(),
        bf16=_rate(lambda: halves @ halves),
        fp32=_rate(lambda: floats @ floats),
    )


def flops(config: BertConfig, rows: int, tokens: int) -> float:
    """Operations of the matrix products of one forward pass: projections, feed-forward, attention."""
    width = config.hidden_size
    per_token = 2 * (4 * width * width + 2 * width * config.intermediate_size) + 4 * tokens * width
    return float(config.num_hidden_layers * rows * tokens * per_token)


def _int8() -> float:
    """A quantized product as NNCF writes it, run by OpenVINO."""
    generator = np.random.default_rng(0)
    weights = generator.integers(-127, 127, (_SIZE, _SIZE), dtype=np.int8)
    data = ops.parameter([_SIZE, _SIZE], ov.Type.f32, name="data")
    low, high = ops.constant(np.float32(-4)), ops.constant(np.float32(4))
    quantized = ops.fake_quantize(data, low, high, low, high, levels=256)
    scaled = ops.multiply(ops.convert(ops.constant(weights), ov.Type.f32), ops.constant(np.float32(0.01)))
    product = ops.matmul(quantized, scaled, False, True)
    model = ov.Model([product], [data])  # pyright: ignore[reportGeneralTypeIssues] - its stubs disagree with themselves
    request = compile_model(model, "f32").create_infer_request()
    rows = generator.standard_normal((_SIZE, _SIZE), dtype=np.float32)
    return _rate(lambda: request.infer({0: rows}, share_inputs=True, share_outputs=True))


def _rate(product: Callable[[], object]) -> float:
    seconds = []
    for turn in range(_ROUNDS + 2):
        begin = perf_counter()
        product()
        if turn > 1:
            seconds.append(perf_counter() - begin)
    return 2 * _SIZE**3 / median(seconds) / 1e9
