"""The ONNX Runtime classifier."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from typing_extensions import override

from fakenews_assets.common.hardware import usable_cpus
from fakenews_assets.models.runtimes.encoder import OUTPUTS, EncoderClassifier, EncoderInputs, Output
from fakenews_assets.models.tokenization import ArticleEncoder

ONNX_FILE: Final = "model.onnx"


class OnnxClassifier(EncoderClassifier):
    """Predicts with ONNX Runtime on the CPU."""

    def __init__(self, session: ort.InferenceSession, encoder: ArticleEncoder, *, name: str) -> None:
        super().__init__(encoder, name=name)
        self.session = session

    @classmethod
    def load(cls, folder: Path, *, name: str = "onnx") -> "OnnxClassifier":
        """Load a folder with model.onnx, tokenizer and encoding.json."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = usable_cpus()
        options.inter_op_num_threads = 1
        session = ort.InferenceSession(folder / ONNX_FILE, options, providers=["CPUExecutionProvider"])
        inputs = [one.name for one in session.get_inputs()]
        return cls(session, ArticleEncoder.load_exported(folder, inputs), name=name)

    @override
    def run(
        self, batches: Iterable[EncoderInputs], *outputs: Output
    ) -> Iterator[tuple[NDArray[np.float32], ...]]:
        # In the order of the export; a session computes only what is asked for.
        names = dict(zip(OUTPUTS, (one.name for one in self.session.get_outputs()), strict=True))
        for batch in batches:
            yield tuple(map(np.asarray, self.session.run([names[output] for output in outputs], batch)))
